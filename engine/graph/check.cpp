#include "engine/graph/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace attend {
namespace {

class Checker {
 public:
  explicit Checker(const ModelDef& model) : model_(model) {}

  std::vector<GraphFinding> run() {
    check_family();
    if (!findings_.empty()) return std::move(findings_);
    for (const auto& [name, graph] : model_.graphs) {
      graph_ = &graph;
      for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        node_ = static_cast<int>(n);
        check_node(graph.nodes[n]);
      }
      node_ = -1;
    }
    check_states();
    check_outputs();
    return std::move(findings_);
  }

 private:
  bool decodes() const { return graph_->name == "decoder"; }

  void add(const char* kind, std::string field, std::string message) {
    findings_.push_back(
        {kind, graph_ == nullptr ? "" : graph_->name, node_, std::move(field), std::move(message)});
  }

  void check_family() {
    const bool encoder = model_.family != Family::decoder;
    const bool decoder = model_.family != Family::encoder;
    const std::string found = [&] {
      std::string names;
      for (const auto& [name, graph] : model_.graphs) names += (names.empty() ? "" : ", ") + name;
      return names.empty() ? std::string("none") : names;
    }();
    if ((model_.graph("encoder") != nullptr) != encoder || (model_.graph("decoder") != nullptr) != decoder ||
        model_.graphs.size() != static_cast<std::size_t>(encoder) + static_cast<std::size_t>(decoder)) {
      add("GRAPH_FAMILY", "graphs",
          fmt::format("expected {}{}{} for this family, found {}", encoder ? "encoder" : "",
                      encoder && decoder ? " and " : "", decoder ? "decoder" : "", found));
    }
    check_tasks();
    if (!decoder) return;
    if (model_.target_vocab_size < 1)
      add("GRAPH_SIZE", "target_vocab_size", "expected the number of ids that can be generated, found 0");
    if (!encoder && model_.target_vocab_size != model_.vocab_size) {
      add("GRAPH_SIZE", "target_vocab_size",
          fmt::format("what a decoder-only model generates is its input: expected vocab_size = {}, found {}",
                      model_.vocab_size, model_.target_vocab_size));
    }
  }

  void check_tasks() {
    static const std::vector<std::string> kGenerating = {"text-generation"};
    static const std::vector<std::string> kTranslating = {"translation", "summarization",
                                                          "text2text-generation"};
    static const std::vector<std::string> kNone;  // an encoder's follow from its head
    const std::vector<std::string>& known = model_.family == Family::decoder           ? kGenerating
                                            : model_.family == Family::encoder_decoder ? kTranslating
                                                                                       : kNone;
    const bool all = std::all_of(model_.tasks.begin(), model_.tasks.end(), [&](const std::string& task) {
      return std::find(known.begin(), known.end(), task) != known.end();
    });
    if (all && model_.tasks.empty() == known.empty()) return;
    add("GRAPH_TASK", "tasks",
        fmt::format("expected {} for this family, found {}",
                    known.empty() ? "none" : fmt::format("{}", fmt::join(known, " or ")),
                    model_.tasks.empty() ? "none" : fmt::format("{}", fmt::join(model_.tasks, ", "))));
  }

  void check_node(const Node& node) {
    std::visit([&](const auto& op) { check(node, op); }, node.op);
  }

  // Indices that the node may be given, and the places of the table.
  void check_table(const Node& node, std::int64_t rows, std::int64_t offset) {
    const int input = node.inputs[0];
    std::int64_t count = 0;
    const char* what = "";
    if (input == graph_->tokens) {
      const bool target = decodes() && model_.family == Family::encoder_decoder;
      count = target ? model_.target_vocab_size : model_.vocab_size;
      what = target ? "target_vocab_size" : "vocab_size";
    } else if (input == graph_->positions) {
      const bool target = decodes() && model_.family == Family::encoder_decoder;
      count = target ? model_.max_target_positions : model_.max_positions;
      what = target ? "max_target_positions" : "max_positions";
      if (count == 0) return add("GRAPH_SIZE", "rows", fmt::format("a table of positions needs {}", what));
    } else {
      count = std::max<std::int64_t>(model_.token_types, 1);
      what = "token_types";
    }
    if (rows - offset < count) {
      add("GRAPH_SIZE", "rows",
          fmt::format("expected at least {} ({}{}), found {}", count + offset, what,
                      offset > 0 ? " and the offset" : "", rows));
    }
  }

  void check(const Node& node, const Embedding& op) { check_table(node, op.rows, op.offset); }
  void check(const Node& node, const Sinusoid& op) { check_table(node, op.rows, 0); }

  // In a decoder rows come in pieces: what looks at other rows must do so through a state.
  void refuse_in_decoder() {
    if (decodes())
      add("GRAPH_OP", "op", "a decoder's rows come in pieces; only attention may look at other rows");
  }
  void check(const Node&, const GatherRows& op) {
    if (op.which == GatherRows::first) refuse_in_decoder();
  }
  void check(const Node&, const MeanRows&) { refuse_in_decoder(); }
  void check(const Node&, const Convolution& op) {
    refuse_in_decoder();
    if (op.kernel % 2 == 0)
      add("GRAPH_SHAPE", "kernel", fmt::format("expected an odd number, found {}", op.kernel));
  }
  void check(const Node&, const Norm&) {}
  void check(const Node&, const Linear&) {}
  void check(const Node&, const FeedForward&) {}
  void check(const Node&, const Add&) {}
  void check(const Node&, const Activation&) {}
  void check(const Node&, const Column&) {}

  void check_heads(const Attention& op) {
    if (op.kv_heads < 1 || op.heads % op.kv_heads != 0) {
      add("GRAPH_SHAPE", "kv_heads",
          fmt::format("expected a divisor of the {} heads, found {}", op.heads, op.kv_heads));
    }
    if (op.head_dim < 1)
      add("GRAPH_SHAPE", "head_dim", fmt::format("expected at least 1, found {}", op.head_dim));
  }

  void check_state(const Node& node, const Attention& op, StateSpec::Kind kind) {
    if (node.state < 0) return add("GRAPH_STATE", "state", "this attention needs a state");
    const StateSpec& state = model_.states[static_cast<std::size_t>(node.state)];
    const std::int64_t window = kind == StateSpec::self ? op.window : 0;
    if (state.kind == kind && state.kv_heads == op.kv_heads && state.head_dim == op.head_dim &&
        state.window == window)
      return;
    add("GRAPH_STATE", "state",
        fmt::format(
            "expected a {} state with {} heads of {} and window {}, found {}: a {} state with {} heads of {} "
            "and window {}",
            kind == StateSpec::self ? "self" : "cross", op.kv_heads, op.head_dim, window, state.name,
            state.kind == StateSpec::self ? "self" : "cross", state.kv_heads, state.head_dim, state.window));
  }

  void check(const Node& node, const SelfAttention& op) {
    check_heads(op);
    if (decodes() != (op.mask == Mask::causal)) {
      add("GRAPH_OP", "mask",
          decodes() ? "expected causal in a decoder, found none"
                    : "expected none in an encoder, found causal");
    }
    if (decodes()) check_state(node, op, StateSpec::self);
    if (!decodes() && node.state >= 0)
      add("GRAPH_STATE", "state", "an encoder's self-attention keeps nothing");
    if (op.rope) check_rope(*op.rope, op.head_dim);
    if (op.relative_bias) check_bias(*op.relative_bias);
    if (op.relative_bias && op.disentangled)
      add("GRAPH_OP", "disentangled", "expected one of relative_bias and disentangled, found both");
    if (op.disentangled) check_positions(op, *op.disentangled);
  }
  void check(const Node& node, const CrossKv& op) { check_cross(node, op, !decodes()); }
  void check(const Node& node, const CrossAttention& op) { check_cross(node, op, decodes()); }

  void check_cross(const Node& node, const Attention& op, bool right_graph) {
    check_heads(op);
    if (!right_graph || model_.family != Family::encoder_decoder) {
      add("GRAPH_OP", "op",
          "cross_kv belongs into the encoder and cross_attention into the decoder of a model that has both");
    }
    if (op.rope) add("GRAPH_OP", "rope", "cross-attention has no rotation");
    if (op.relative_bias) add("GRAPH_OP", "relative_bias", "cross-attention has no relative positions");
    if (op.disentangled) add("GRAPH_OP", "disentangled", "cross-attention has no relative positions");
    if (op.window > 0) add("GRAPH_OP", "window", "cross-attention sees the whole source");
    if (op.mask != Mask::none) add("GRAPH_OP", "mask", "cross-attention sees the whole source");
    check_state(node, op, StateSpec::cross);
  }

  void check_rope(const Rope& rope, std::int64_t head_dim) {
    if (rope.dims % 2 != 0 || rope.dims > head_dim) {
      add("GRAPH_SHAPE", "rope.dims",
          fmt::format("expected an even number of at most head_dim = {}, found {}", head_dim, rope.dims));
    }
    const auto half = static_cast<std::size_t>(rope.dims / 2);
    if (rope.inv_freq.size() != half)
      add("GRAPH_SHAPE", "rope.inv_freq",
          fmt::format("expected {} numbers, found {}", half, rope.inv_freq.size()));
    if (!rope.long_inv_freq.empty() && rope.long_inv_freq.size() != half) {
      add("GRAPH_SHAPE", "rope.long_inv_freq",
          fmt::format("expected {} numbers, found {}", half, rope.long_inv_freq.size()));
    }
    if (rope.dynamic_from > 0 && rope.long_inv_freq.empty() && rope.dims < 4)
      add("GRAPH_SHAPE", "rope.dims", "a base that grows needs at least 4 rotated elements");
  }

  void check_bias(const RelativeBias& bias) {
    const std::int64_t sided = bias.bidirectional ? bias.buckets / 2 : bias.buckets;
    if (sided < 2 || (bias.bidirectional && bias.buckets % 2 != 0))
      add("GRAPH_SHAPE", "relative_bias.buckets",
          fmt::format("expected two or more to each side, found {}", bias.buckets));
    if (bias.max_distance <= sided / 2) {
      add("GRAPH_SHAPE", "relative_bias.max_distance",
          fmt::format("expected more than the {} exact buckets, found {}", sided / 2, bias.max_distance));
    }
  }

  void check_positions(const Attention& op, const Disentangled& positions) {
    if (op.kv_heads != op.heads)
      add("GRAPH_SHAPE", "kv_heads",
          fmt::format("disentangled attention has as many as heads, {}", op.heads));
    if (positions.buckets == 0) return;
    const std::int64_t mid = positions.buckets / 2;
    if (mid < 2 || positions.max_distance - 1 <= mid) {
      add("GRAPH_SHAPE", "disentangled.max_distance",
          fmt::format("expected more than half of the buckets ({}), which are at least 4; found {}", mid,
                      positions.max_distance));
    }
  }

  // Every state is written and read where its kind is, by one node each.
  void check_states() {
    for (std::size_t s = 0; s < model_.states.size(); ++s) {
      const StateSpec& state = model_.states[s];
      int self = 0;
      int writers = 0;
      int readers = 0;
      for (const auto& [name, graph] : model_.graphs) {
        for (const Node& node : graph.nodes) {
          if (node.state != static_cast<int>(s)) continue;
          self += static_cast<int>(std::holds_alternative<SelfAttention>(node.op));
          writers += static_cast<int>(std::holds_alternative<CrossKv>(node.op));
          readers += static_cast<int>(std::holds_alternative<CrossAttention>(node.op));
        }
      }
      graph_ = nullptr;
      const std::string field = fmt::format("states[{}]", s);
      if (state.kind == StateSpec::self && (self != 1 || writers + readers != 0))
        add("GRAPH_STATE", field, fmt::format("expected one self_attention that uses it, found {}", self));
      if (state.kind == StateSpec::cross && (writers != 1 || readers < 1 || self != 0)) {
        add("GRAPH_STATE", field,
            fmt::format(
                "expected one cross_kv that writes it and a cross_attention that reads it, found {} and {}",
                writers, readers));
      }
    }
  }

  const ValueInfo* output(const Graph& graph, std::string_view name) const {
    for (const NamedValue& value : graph.outputs) {
      if (value.name == name) return &graph.values[static_cast<std::size_t>(value.value)];
    }
    return nullptr;
  }

  void require(const char* name, Rows rows, std::int64_t width = 0) {
    const ValueInfo* found = output(*graph_, name);
    if (found == nullptr)
      return add("GRAPH_OUTPUT", fmt::format("outputs.{}", name), "this output is missing");
    if (found->rows == rows && (width == 0 || found->width == width)) return;
    constexpr std::array kRows{"token", "sampled token", "sequence"};
    add("GRAPH_OUTPUT", fmt::format("outputs.{}", name),
        fmt::format("expected one row{} per {}, found width {} per {}",
                    width == 0 ? "" : fmt::format(" of width {}", width),
                    kRows[static_cast<std::size_t>(rows)], found->width,
                    kRows[static_cast<std::size_t>(found->rows)]));
  }

  void check_outputs() {
    if (const Graph* decoder = model_.graph("decoder")) {
      graph_ = decoder;
      require("logits", Rows::sampled, model_.target_vocab_size);
      return;
    }
    graph_ = model_.graph("encoder");
    if (model_.head == "Model") {
      require("last_hidden_state", Rows::tokens);
    } else if (model_.head == "ForSequenceClassification") {
      require("logits", Rows::sequences, static_cast<std::int64_t>(model_.labels.size()));
    } else if (model_.head == "ForTokenClassification") {
      require("logits", Rows::tokens, static_cast<std::int64_t>(model_.labels.size()));
    } else if (model_.head == "ForQuestionAnswering") {
      require("start_logits", Rows::tokens, 1);
      require("end_logits", Rows::tokens, 1);
    } else if (model_.head == "ForMaskedLM") {
      require("logits", Rows::sampled, model_.vocab_size);
    } else {
      graph_ = nullptr;
      add("GRAPH_HEAD", "head",
          fmt::format(
              "expected Model, ForSequenceClassification, ForTokenClassification, ForQuestionAnswering or "
              "ForMaskedLM, found '{}'",
              model_.head));
    }
  }

  const ModelDef& model_;
  const Graph* graph_ = nullptr;
  int node_ = -1;
  std::vector<GraphFinding> findings_;
};

}  // namespace

std::vector<GraphFinding> check_graphs(const ModelDef& model) {
  return Checker(model).run();
}

}  // namespace attend
