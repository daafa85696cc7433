// What must hold of a graph, whoever made it: the shapes of its values, the weights its nodes have, and that
// nothing in it can read beyond what it is given.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/model/model_def.h"

namespace attend {

// The value that a node gives; width 0 for nodes that only write state. Throws Error (GRAPH_SHAPE), without
// a place, when the inputs do not fit.
ValueInfo infer(const Op& op, std::span<const ValueInfo> inputs);

// A weight that a node can have.
struct WeightSlot {
  std::string role;
  // Matrices as [out, in], whatever way they are stored, or [n].
  Shape shape;
  bool required = true;
  // Roles of one group are all there or none of them.
  std::string group{};
  // May be a slice of a larger tensor's rows, and a matrix may be stored transposed.
  bool dense = false;
};

// All of a node's, for an input of this width.
std::vector<WeightSlot> weight_slots(const Op& op, std::int64_t input_width);

struct GraphFinding {
  std::string kind;   // GRAPH_SHAPE, GRAPH_STATE, ...
  std::string graph;  // empty: of the model as a whole
  int node = -1;      // -1: of the graph as a whole
  std::string field;
  std::string message;
};

// What is wrong with the attributes, states, sizes and outputs of a model whose values and weights are in
// order: attributes that contradict each other, indices beyond a table, operations that have no meaning in
// their graph. Empty for every model of loaders/models/.
std::vector<GraphFinding> check_graphs(const ModelDef& model);

}  // namespace attend
