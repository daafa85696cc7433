#include "loaders/models/decoder_config.h"

#include <fmt/format.h>

#include <string>

namespace attend {

DecoderConfig::DecoderConfig(const ConfigReader& c, const DecoderOptions& options)
    : vocab(c.required_int("vocab_size", kVocabRange)),
      layers(c.required_int("num_hidden_layers", kLayersRange)),
      hidden(c.required_int("intermediate_size", kWidthRange)),
      positions(c.required_int("max_position_embeddings", kPositionsRange)),
      size(c.head_sizes({.width = "hidden_size",
                         .heads = "num_attention_heads",
                         .kv_heads = "num_key_value_heads",
                         .head_dim = "head_dim"})),
      eps(static_cast<float>(
          c.optional_real("rms_norm_eps", options.eps, {.min = 0.0, .max = 1.0, .above_min = true}))),
      tied(c.optional_bool("tie_word_embeddings", options.tied)),
      rope(read_rope(c, {.head_dim = size.head_dim,
                         .positions = positions,
                         .partial = options.partial_rotary,
                         .phi3_spellings = options.phi3_spellings})) {
  c.refuse_unless("is_encoder_decoder", false);
  c.refuse_unless("add_cross_attention", false);
}

Attention DecoderConfig::attention() const {
  Projections proj = qkvo("self_attn", "o_proj");
  proj.bias = proj.out_bias = false;
  return {.proj = proj,
          .heads = size.heads,
          .kv_heads = size.kv_heads,
          .head_dim = size.head_dim,
          .mask = Mask::causal,
          .rope = rope.rope};
}

FeedForward DecoderConfig::gated_mlp(Act act) const {
  return {.hidden = hidden,
          .up = "mlp.up_proj",
          .down = "mlp.down_proj",
          .gate = "mlp.gate_proj",
          .act = act,
          .bias = false};
}

std::vector<std::int64_t> read_windows(const ConfigReader& config, std::int64_t layers,
                                       const std::function<bool(std::int64_t layer)>& slides) {
  const std::int64_t window = config.optional_int("sliding_window", 0, kPositionsRange);
  const std::vector<std::string> types = config.optional_strings("layer_types");
  if (!types.empty() && static_cast<std::int64_t>(types.size()) != layers) {
    config.refuse("CFG_VALUE", "layer_types",
                  fmt::format("expected one for each of the {} layers, found {}", layers, types.size()));
    return std::vector<std::int64_t>(static_cast<std::size_t>(layers), 0);
  }
  std::vector<std::int64_t> windows;
  bool missing = false;
  for (std::int64_t i = 0; i < layers; ++i) {
    bool slide = slides(i);
    if (!types.empty()) {
      const std::string& type = types[static_cast<std::size_t>(i)];
      slide = type == "sliding_attention";
      if (!slide && type != "full_attention") {
        config.refuse(
            "CFG_VALUE", "layer_types",
            fmt::format("expected full_attention or sliding_attention, found {}", type.substr(0, 40)));
      }
    }
    missing = missing || (slide && window == 0);
    windows.push_back(slide ? window : 0);
  }
  if (missing) {
    config.refuse("CFG_FIELD_MISSING", "sliding_window",
                  "some layers are sliding_attention: their window is missing");
  }
  return windows;
}

ModelDef decoder_model(const DecoderConfig& c, Checkpoint& checkpoint) {
  if (c.tied) checkpoint.tie({"model.embed_tokens.weight", "lm_head.weight"});
  checkpoint.ignore({"*.rotary_emb.inv_freq"});  // buffers that older versions stored
  ModelDef m;
  m.family = Family::decoder;
  m.tasks = {"text-generation"};
  m.vocab_size = m.target_vocab_size = c.vocab;
  m.max_positions = m.max_target_positions = c.rope.max_positions;
  return m;
}

}  // namespace attend
