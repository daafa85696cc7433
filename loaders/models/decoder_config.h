// What the configurations of decoder-only models with rotary positions have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "loaders/models/architecture.h"
#include "loaders/models/rope_config.h"

namespace attend {

// An architecture's defaults and spellings, where they differ.
struct DecoderOptions {
  bool tied = false;  // tie_word_embeddings
  double eps = 1e-6;  // rms_norm_eps
  bool partial_rotary = false;
  bool phi3_spellings = false;
};

struct DecoderConfig {
  std::int64_t vocab, layers, hidden, positions;
  HeadSizes size;  // width, heads, kv_heads, head_dim
  float eps;
  bool tied;
  RopeConfig rope;

  explicit DecoderConfig(const ConfigReader& config, const DecoderOptions& options = {});

  // Causal attention with rotated queries and keys, module "self_attn", without biases.
  Attention attention() const;
  // down(act(gate(x)) * up(x)), module "mlp", without biases.
  FeedForward gated_mlp(Act act) const;
};

// The window of each layer, 0 for those that see everything: layer_types where it is given, else
// `slides(layer)`. A window is refused where it is missing (CFG_FIELD_MISSING).
std::vector<std::int64_t> read_windows(const ConfigReader& config, std::int64_t layers,
                                       const std::function<bool(std::int64_t layer)>& slides);

// The facts of a decoder-only text model; ties lm_head and embed_tokens where they are.
ModelDef decoder_model(const DecoderConfig& c, Checkpoint& checkpoint);

}  // namespace attend
