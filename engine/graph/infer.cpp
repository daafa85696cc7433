// Shapes of values and weights.
#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "attend/error.h"
#include "engine/graph/check.h"

namespace attend {
namespace {

Error shape_error(std::string message) {
  return {"GRAPH_SHAPE", "graph", std::move(message)};
}

const char* rows_name(Rows rows) {
  switch (rows) {
    case Rows::tokens: return "one row per token";
    case Rows::sampled: return "one row per sampled token";
    case Rows::sequences: return "one row per sequence";
  }
  return "rows";
}

struct Inference {
  std::span<const ValueInfo> inputs;

  const ValueInfo& x() const { return inputs[0]; }
  void expect_tokens() const {
    if (x().rows != Rows::tokens)
      throw shape_error(
          fmt::format("expected an input with one row per token, found {}", rows_name(x().rows)));
  }
  ValueInfo same(Rows rows, std::int64_t width) const { return {rows, width, DType::f32, -1}; }

  ValueInfo operator()(const Embedding& op) const { return same(Rows::tokens, op.dim); }
  ValueInfo operator()(const Sinusoid& op) const { return same(Rows::tokens, op.dim); }
  ValueInfo operator()(const Norm&) const { return same(x().rows, x().width); }
  ValueInfo operator()(const Linear& op) const { return same(x().rows, op.out); }
  ValueInfo operator()(const SelfAttention&) const {
    expect_tokens();
    return same(Rows::tokens, x().width);
  }
  ValueInfo operator()(const CrossKv&) const {
    expect_tokens();
    return same(Rows::tokens, 0);
  }
  ValueInfo operator()(const CrossAttention&) const {
    expect_tokens();
    return same(Rows::tokens, x().width);
  }
  ValueInfo operator()(const FeedForward&) const { return same(x().rows, x().width); }
  ValueInfo operator()(const Add&) const {
    const ValueInfo& y = inputs[1];
    if (x().rows != y.rows || x().width != y.width) {
      throw shape_error(
          fmt::format("expected two inputs of one shape, found {} of width {} and {} of width {}",
                      rows_name(x().rows), x().width, rows_name(y.rows), y.width));
    }
    return same(x().rows, x().width);
  }
  ValueInfo operator()(const Activation&) const { return same(x().rows, x().width); }
  ValueInfo operator()(const GatherRows& op) const {
    expect_tokens();
    return same(op.which == GatherRows::sampled ? Rows::sampled : Rows::sequences, x().width);
  }
  ValueInfo operator()(const MeanRows&) const {
    expect_tokens();
    return same(Rows::sequences, x().width);
  }
  ValueInfo operator()(const Column& op) const {
    if (op.index >= x().width)
      throw shape_error(
          fmt::format("expected an input of more than {} columns, found {}", op.index, x().width));
    return same(x().rows, 1);
  }
  ValueInfo operator()(const Convolution& op) const {
    expect_tokens();
    return same(Rows::tokens, op.out);
  }
};

class Slots {
 public:
  explicit Slots(std::int64_t width) : d_(width) {}

  void operator()(const Embedding& op) { slots_.push_back({"weight", {op.rows, op.dim}}); }
  void operator()(const Sinusoid&) {}
  void operator()(const Norm& op) {
    slots_.push_back({"weight", {d_}});
    if (op.kind == Norm::layer) slots_.push_back({"bias", {d_}, false});
  }
  void operator()(const Linear& op) { dense("", op.out, d_, ""); }
  void operator()(const SelfAttention& op) {
    const std::int64_t q = op.heads * op.head_dim;
    dense("q.", q, d_, "qkv");
    dense("k.", op.kv_heads * op.head_dim, d_, "qkv");
    dense("v.", op.kv_heads * op.head_dim, d_, "qkv");
    for (const char* role : {"q_norm", "k_norm"}) slots_.push_back({role, {op.head_dim}, false, "qk_norm"});
    if (op.relative_bias) slots_.push_back({"relative_bias", {op.relative_bias->buckets, op.heads}});
    if (op.disentangled) positions(*op.disentangled, q);
    dense("out.", d_, q, "");
  }
  void operator()(const CrossKv& op) {
    dense("k.", op.kv_heads * op.head_dim, d_, "kv");
    dense("v.", op.kv_heads * op.head_dim, d_, "kv");
  }
  void operator()(const CrossAttention& op) {
    dense("q.", op.heads * op.head_dim, d_, "");
    dense("out.", d_, op.heads * op.head_dim, "");
  }
  void operator()(const FeedForward& op) {
    dense("gate.", op.hidden, d_, "", false);
    dense("up.", op.hidden, d_, "");
    dense("down.", d_, op.hidden, "");
  }
  void operator()(const Convolution& op) {
    slots_.push_back({"weight", {op.out, d_, op.kernel}});
    slots_.push_back({"bias", {op.out}, false});
  }
  void operator()(const Add&) {}
  void operator()(const Activation&) {}
  void operator()(const GatherRows&) {}
  void operator()(const MeanRows&) {}
  void operator()(const Column&) {}

  std::vector<WeightSlot> take() { return std::move(slots_); }

 private:
  // A matrix and its bias; biases of one group are computed in one product.
  void dense(const std::string& prefix, std::int64_t out, std::int64_t in, const std::string& group,
             bool required = true) {
    slots_.push_back({prefix + "weight", {out, in}, required, "", true});
    slots_.push_back({prefix + "bias", {out}, false, group.empty() ? "" : group + " biases", true});
  }
  void positions(const Disentangled& op, std::int64_t q) {
    slots_.push_back({"positions", {2 * op.span, d_}});
    for (const char* role : {"positions_norm.weight", "positions_norm.bias"})
      slots_.push_back({role, {d_}, false, "positions_norm"});
    if (op.content_to_position) dense("pos_key.", q, d_, "", false);
    if (op.position_to_content) dense("pos_query.", q, d_, "", false);
  }

  std::int64_t d_;
  std::vector<WeightSlot> slots_;
};

}  // namespace

ValueInfo infer(const Op& op, std::span<const ValueInfo> inputs) {
  const std::size_t expected = std::holds_alternative<Add>(op) ? 2 : 1;
  if (inputs.size() != expected)
    throw shape_error(
        fmt::format("expected {} input{}, found {}", expected, expected == 1 ? "" : "s", inputs.size()));
  const bool looks_up = std::holds_alternative<Embedding>(op) || std::holds_alternative<Sinusoid>(op);
  for (const ValueInfo& input : inputs) {
    if ((input.dtype == DType::i32) == looks_up) continue;
    throw shape_error(looks_up ? "expected tokens, positions or token_types as input, found a computed value"
                               : "expected a computed value as input, found indices");
  }
  return std::visit(Inference{inputs}, op);
}

std::vector<WeightSlot> weight_slots(const Op& op, std::int64_t input_width) {
  Slots slots(input_width);
  std::visit(slots, op);
  return slots.take();
}

}  // namespace attend
