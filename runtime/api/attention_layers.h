// Attention layers by kind and number, as requests name them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "attend/attention.h"
#include "engine/model/model_def.h"
#include "runtime/scheduler/request.h"

namespace attend {

// What the model has, cross-attention last.
std::vector<AttentionLayers> attention_layers(const ModelDef& def);

// The attention layers of one kind. Throws ATTENTION_NONE for a model without attention, and the usage errors
// ATTENTION_KIND, ATTENTION_LAYER and ATTENTION_HEAD, which list what there is.
class LayerTable {
 public:
  // Unset: cross-attention where the model has it, else the one kind there is.
  LayerTable(const ModelDef& def, std::optional<AttentionKind> kind);

  AttentionKind kind() const { return kind_; }
  const Graph& graph() const { return *graph_; }
  bool in_encoder() const { return kind_ == AttentionKind::encoder; }
  // The numbers asked for, checked; all for none.
  std::vector<std::int64_t> layers(std::span<const std::int64_t> wanted) const;
  std::vector<std::int64_t> heads(std::int64_t layer, std::span<const std::int64_t> wanted) const;
  // Index of the layer's node, and its attributes.
  int node(std::int64_t layer) const { return nodes_[static_cast<std::size_t>(layer)]; }
  const Attention& attributes(std::int64_t layer) const;
  // Columns of the hidden states that the layer reads.
  std::int64_t width(std::int64_t layer) const;

 private:
  AttentionKind kind_ = AttentionKind::encoder;
  const Graph* graph_ = nullptr;
  std::vector<int> nodes_;
};

// Adds the scalings to the request's hooks; those without a kind are of `kind`, unset as above.
void add_head_scales(const ModelDef& def, std::span<const HeadScale> scales,
                     std::optional<AttentionKind> kind, ScheduledRequest& request);

}  // namespace attend
