#include "engine/graph/graph.h"

namespace attend {

const WeightRef* Node::weight(std::string_view role) const {
  for (const WeightRef& ref : weights) {
    if (ref.role == role) return &ref;
  }
  return nullptr;
}

std::string_view kind_name(const Op& op) {
  struct Namer {
    std::string_view operator()(const Embedding&) const { return "embedding"; }
    std::string_view operator()(const Sinusoid&) const { return "sinusoid"; }
    std::string_view operator()(const Norm&) const { return "norm"; }
    std::string_view operator()(const Linear&) const { return "linear"; }
    std::string_view operator()(const SelfAttention&) const { return "self_attention"; }
    std::string_view operator()(const CrossKv&) const { return "cross_kv"; }
    std::string_view operator()(const CrossAttention&) const { return "cross_attention"; }
    std::string_view operator()(const FeedForward&) const { return "feed_forward"; }
    std::string_view operator()(const Add&) const { return "add"; }
    std::string_view operator()(const Activation&) const { return "activation"; }
    std::string_view operator()(const GatherRows&) const { return "gather_rows"; }
    std::string_view operator()(const MeanRows&) const { return "mean_rows"; }
    std::string_view operator()(const Column&) const { return "column"; }
    std::string_view operator()(const Convolution&) const { return "convolution"; }
  };
  return std::visit(Namer{}, op);
}

const Attention* queried_attention(const Op& op) {
  if (const auto* self = std::get_if<SelfAttention>(&op)) return self;
  return std::get_if<CrossAttention>(&op);
}

std::vector<int> attention_layers(const Graph& graph, bool cross) {
  std::vector<int> layers;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Op& op = graph.nodes[n].op;
    const bool wanted =
        cross ? std::holds_alternative<CrossAttention>(op) : std::holds_alternative<SelfAttention>(op);
    if (wanted) layers.push_back(static_cast<int>(n));
  }
  return layers;
}

}  // namespace attend
