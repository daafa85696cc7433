// A model's graph as plain data: values, nodes in an order that can be executed, and the state they need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attend/dtype.h"
#include "attend/tensor.h"
#include "engine/graph/attributes.h"

namespace attend {

// What the rows of a value stand for. Sequences are packed one after another, without padding.
enum class Rows : std::uint8_t {
  tokens,     // T: every token of the step
  sampled,    // R: the tokens whose logits are wanted
  sequences,  // B: one row per sequence
};

// A value between nodes: a matrix [rows, width] of f32, or a column of indices (i32).
struct ValueInfo {
  Rows rows = Rows::tokens;
  std::int64_t width = 0;
  DType dtype = DType::f32;
  int producer = -1;  // node index; -1: an input of the graph
  bool operator==(const ValueInfo&) const = default;
};

// A tensor of the checkpoint (or a slice of its rows) that a node uses, and the shape that it must have.
struct WeightRef {
  std::string role;            // "weight", "bias", "q.weight", ...
  std::string tensor;          // full name in the checkpoint
  Shape shape;                 // of the whole tensor as stored
  std::int64_t row_begin = 0;  // the slice in logical [out, in] rows
  std::int64_t rows = 0;       // 0: all
  bool transposed = false;     // stored [in, out]
};

struct Node {
  std::string name;  // the module's path in the checkpoint
  Op op;
  std::vector<int> inputs;  // value ids
  int output = -1;          // value id; -1 for nodes that only write state
  std::vector<WeightRef> weights;
  int state = -1;  // index into ModelDef::states

  const WeightRef* weight(std::string_view role) const;
};

// Keys and values that outlive a step; the runtime allocates them (see engine/plan/step_input.h).
struct StateSpec {
  enum Kind : std::uint8_t { self, cross };
  std::string name;  // of the attention node
  Kind kind = self;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t window = 0;  // keys further back are never read again; 0: all are kept
};

struct NamedValue {
  std::string name;  // as transformers' output calls it: "logits", "last_hidden_state"
  int value = -1;
};

struct Graph {
  std::string name;  // "encoder", "decoder"
  std::vector<ValueInfo> values;
  std::vector<Node> nodes;
  std::vector<NamedValue> outputs;
  // Inputs of the graph; -1 where unused.
  int tokens = -1;
  int positions = -1;
  int token_types = -1;
};

// The attributes of an attention node that has queries; null for any other.
const Attention* queried_attention(const Op& op);
// Indices of the self-attention nodes (or the cross-attention nodes), in the order in which they run: the
// layers as papers count them, also where several share one module of the checkpoint.
std::vector<int> attention_layers(const Graph& graph, bool cross);

// "self_attention", "feed_forward", ...: the kind of a node, as profiles and graph files call it.
std::string_view kind_name(const Op& op);

}  // namespace attend
