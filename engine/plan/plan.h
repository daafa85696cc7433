// The order in which a graph's nodes run, and the memory in which their values live.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/graph/graph.h"

namespace attend {

// A buffer that several values share one after another: rows of one kind, as wide as the widest.
struct Slot {
  Rows rows = Rows::tokens;
  std::int64_t width = 0;
};

struct PlannedNode {
  int node = -1;
  int output = -1;          // value id written; with `accumulate`, the sum's
  bool accumulate = false;  // adds to what the slot holds: a residual sum that needs no pass of its own
};

struct Plan {
  std::vector<PlannedNode> nodes;
  std::vector<Slot> slots;
  std::vector<int> slot_of;  // value id -> slot; -1 for values that never exist (fused) and for indices
};

enum class Fusion : std::uint8_t {
  residuals,  // add nodes run inside the node that computes their right-hand side
  none,       // every node's value is materialised, for dumps; same bits
};

// The graph's nodes are in an order that can be executed, as the builder leaves them.
Plan make_plan(const Graph& graph, Fusion fusion);

}  // namespace attend
