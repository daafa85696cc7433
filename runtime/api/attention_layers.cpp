#include "runtime/api/attention_layers.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

constexpr std::array kKinds = {AttentionKind::encoder, AttentionKind::decoder, AttentionKind::cross};

const Graph* graph_of(const ModelDef& def, AttentionKind kind) {
  return def.graph(kind == AttentionKind::encoder ? "encoder" : "decoder");
}

std::vector<int> nodes_of(const ModelDef& def, AttentionKind kind) {
  const Graph* graph = graph_of(def, kind);
  return graph == nullptr ? std::vector<int>() : attention_layers(*graph, kind == AttentionKind::cross);
}

std::string range(std::size_t count) {
  return count == 1 ? "there is only 0" : fmt::format("expected 0 to {}", count - 1);
}

}  // namespace

std::string_view to_string(AttentionKind kind) {
  switch (kind) {
    case AttentionKind::encoder: return "encoder";
    case AttentionKind::decoder: return "decoder";
    case AttentionKind::cross: return "cross";
  }
  return "";
}

AttentionKind parse_attention_kind(std::string_view name) {
  for (const AttentionKind kind : kKinds) {
    if (to_string(kind) == name) return kind;
  }
  throw usage_error("ATTENTION_KIND", "kind",
                    fmt::format("expected encoder, decoder or cross, found '{}'", name));
}

std::vector<AttentionLayers> attention_layers(const ModelDef& def) {
  std::vector<AttentionLayers> all;
  for (const AttentionKind kind : kKinds) {
    const std::vector<int> nodes = nodes_of(def, kind);
    if (nodes.empty()) continue;
    AttentionLayers layers{.kind = kind, .heads = {}};
    for (const int node : nodes) {
      const Op& op = graph_of(def, kind)->nodes[static_cast<std::size_t>(node)].op;
      layers.heads.push_back(queried_attention(op)->heads);
    }
    all.push_back(std::move(layers));
  }
  return all;
}

LayerTable::LayerTable(const ModelDef& def, std::optional<AttentionKind> kind) {
  const std::vector<AttentionLayers> all = attention_layers(def);
  if (all.empty()) {
    throw Error("ATTENTION_NONE", def.architecture,
                "this model has no attention layers, so there is no map of them");
  }
  std::vector<std::string_view> kinds;
  for (const AttentionLayers& layers : all) kinds.push_back(to_string(layers.kind));
  kind_ = kind.value_or(all.back().kind);
  graph_ = graph_of(def, kind_);
  nodes_ = nodes_of(def, kind_);
  if (nodes_.empty()) {
    throw usage_error("ATTENTION_KIND", std::string(to_string(kind_)),
                      fmt::format("{} has no attention of this kind; it has: {}", def.architecture,
                                  fmt::join(kinds, ", ")));
  }
}

std::vector<std::int64_t> LayerTable::layers(std::span<const std::int64_t> wanted) const {
  std::vector<std::int64_t> layers(wanted.begin(), wanted.end());
  const auto count = static_cast<std::int64_t>(nodes_.size());
  for (const std::int64_t layer : layers) {
    if (layer >= 0 && layer < count) continue;
    throw usage_error("ATTENTION_LAYER", fmt::format("layer {}", layer),
                      fmt::format("{} attention has {} layer{}: {}", to_string(kind_), count,
                                  count == 1 ? "" : "s", range(nodes_.size())));
  }
  for (std::int64_t i = 0; i < count && wanted.empty(); ++i) layers.push_back(i);
  return layers;
}

std::vector<std::int64_t> LayerTable::heads(std::int64_t layer, std::span<const std::int64_t> wanted) const {
  std::vector<std::int64_t> heads(wanted.begin(), wanted.end());
  const std::int64_t count = attributes(layer).heads;
  for (const std::int64_t head : heads) {
    if (head >= 0 && head < count) continue;
    throw usage_error("ATTENTION_HEAD", fmt::format("layer {} head {}", layer, head),
                      fmt::format("this layer has {} head{}: {}", count, count == 1 ? "" : "s",
                                  range(static_cast<std::size_t>(count))));
  }
  for (std::int64_t i = 0; i < count && wanted.empty(); ++i) heads.push_back(i);
  return heads;
}

const Attention& LayerTable::attributes(std::int64_t layer) const {
  return *queried_attention(graph_->nodes[static_cast<std::size_t>(node(layer))].op);
}

std::int64_t LayerTable::width(std::int64_t layer) const {
  const Node& found = graph_->nodes[static_cast<std::size_t>(node(layer))];
  return graph_->values[static_cast<std::size_t>(found.inputs.front())].width;
}

void add_head_scales(const ModelDef& def, std::span<const HeadScale> scales,
                     std::optional<AttentionKind> kind, ScheduledRequest& request) {
  for (const HeadScale& scale : scales) {
    const LayerTable table(def, scale.kind ? scale.kind : kind);
    table.heads(table.layers({&scale.layer, 1}).front(), {&scale.head, 1});
    if (!std::isfinite(scale.scale)) {
      throw usage_error("HEAD_SCALE", fmt::format("layer {} head {}", scale.layer, scale.head),
                        "the scale must be a finite number");
    }
    RequestHooks& hooks = table.in_encoder() ? request.encoder_hooks : request.decoder_hooks;
    hooks.scalings.push_back({.node = table.node(scale.layer), .head = scale.head, .scale = scale.scale});
  }
}

}  // namespace attend
