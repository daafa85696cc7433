// The language in which the definitions under loaders/models/ are written: each call adds one named node.
//
// A builder stands for a module of the checkpoint; layers() and at() give the builders of its sub-modules,
// and a node's name is the module's path. Tensor names in attributes are relative to the builder's module.
// Weights are declared with the shape that they must have; what is missing or misshapen is collected in the
// checkpoint, so that one run of a definition reports everything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/model/checkpoint.h"
#include "engine/model/model_def.h"

namespace attend {

class GraphBuilder;

// A handle to a value of a graph that is being built.
class Value {
 public:
  Value() = default;
  int id() const { return id_; }
  std::int64_t width() const;

 private:
  friend class GraphBuilder;
  friend Value operator+(Value a, Value b);
  Value(GraphBuilder* root, int id) : root_(root), id_(id) {}
  GraphBuilder* root_ = nullptr;
  int id_ = -1;
};

// An add node; the plan fuses it into the node that produced the right-hand side where it can.
Value operator+(Value a, Value b);

class GraphBuilder {
 public:
  // The graph `name` of `model`, created empty. `model` and `checkpoint` must outlive the builder, and the
  // builder must not move while it is in use.
  GraphBuilder(ModelDef& model, Checkpoint& checkpoint, std::string name);
  GraphBuilder(const GraphBuilder&) = default;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  // The builder of the sub-module `path`.
  GraphBuilder at(std::string_view path) const;
  // The builders of path.0, path.1, ... path.(count-1).
  std::vector<GraphBuilder> layers(std::string_view path, std::int64_t count) const;

  // The step's token ids, their positions in their sequences, and their segment ids: [T].
  Value tokens();
  Value positions();
  Value token_types();

  Value embedding(std::string_view name, Value indices, const Embedding& attributes);
  Value sinusoid(std::string_view name, Value positions, const Sinusoid& attributes);
  Value norm(std::string_view name, Value x, const Norm& attributes);
  Value linear(std::string_view name, Value x, const Linear& attributes);
  Value self_attention(std::string_view name, Value x, const Attention& attributes);
  // Writes the state that cross_attention of the same path, without a trailing ".kv", reads.
  void cross_kv(std::string_view name, Value x, const Attention& attributes);
  Value cross_attention(std::string_view name, Value x, const Attention& attributes);
  Value feed_forward(std::string_view name, Value x, const FeedForward& attributes);
  Value activation(std::string_view name, Value x, Act act);
  Value sampled_rows(Value x);
  Value first_rows(Value x);
  Value mean_rows(Value x);
  Value column(std::string_view name, Value x, std::int64_t index);
  // Weight [out, D, kernel] and bias [out], as torch's Conv1d stores them.
  Value convolution(std::string_view name, Value x, const Convolution& attributes);

  // Declares a result of the graph under the name that transformers' output gives it.
  void output(std::string_view name, Value value);

 private:
  friend class Value;
  friend Value operator+(Value a, Value b);

  Graph& graph() const;
  std::string path(std::string_view name) const;
  Value input(int& slot);
  Value add_node(std::string name, Op op, std::vector<Value> inputs);
  Node& last_node() const;
  void add_weight(std::string_view role, const std::string& tensor, Shape shape, bool transposed = false);
  void add_slice(std::string_view role, const std::string& tensor, const Shape& shape, std::int64_t row_begin,
                 std::int64_t rows, bool transposed);
  void add_projection(std::string_view role, const std::string& tensor, std::int64_t out, std::int64_t in,
                      bool bias, bool transposed);
  void add_qkv(const Attention& attributes, std::int64_t width, bool query, bool key_value);
  void add_position_terms(const Attention& attributes, std::int64_t width);
  void add_out_projection(const Attention& attributes, std::int64_t width);
  int state(const std::string& name, StateSpec::Kind kind, const Attention& attributes);

  ModelDef* model_;
  Checkpoint* checkpoint_;
  std::string graph_name_;
  std::string prefix_;
  GraphBuilder* root_;
};

// The usual names: module.q_proj, module.k_proj, module.v_proj and module.OUT.
Projections qkvo(const std::string& module, const std::string& out);

// `attributes` with head_dim and scale filled in for a model of the given width.
Attention resolved(Attention attributes, std::int64_t width);

}  // namespace attend
