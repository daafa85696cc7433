// Qwen2 (arXiv:2407.10671), with biases on queries, keys and values, and Qwen3 (arXiv:2505.09388), which
// normalises the queries and keys of each head instead. Some layers may see a sliding window only.
//
// T packed tokens of the step, R rows that sample, D hidden_size, V vocab_size.
#include "loaders/models/decoder_config.h"

namespace attend {
namespace {

// The layers from max_window_layers on slide, where windows are used at all.
std::vector<std::int64_t> qwen_windows(const ConfigReader& config, std::int64_t layers) {
  const std::int64_t first = config.optional_int("max_window_layers", 28, {0, kLayersRange.max});
  if (!config.optional_bool("use_sliding_window", false)) {
    config.ignore({"sliding_window", "layer_types"});
    return std::vector<std::int64_t>(static_cast<std::size_t>(layers), 0);
  }
  return read_windows(config, layers, [first](std::int64_t layer) { return layer >= first; });
}

ModelDef build_qwen(const DecoderConfig& c, const ConfigReader& config, Checkpoint& ckpt,
                    Attention attention) {
  const Norm norm{.kind = Norm::rms, .eps = c.eps};
  const FeedForward mlp = c.gated_mlp(read_activation(config, "hidden_act", "silu"));
  const std::vector<std::int64_t> windows = qwen_windows(config, c.layers);
  config.finish();

  ModelDef m = decoder_model(c, ckpt);
  GraphBuilder g(m, ckpt, "decoder");
  Value x = g.embedding("model.embed_tokens", g.tokens(), {.rows = c.vocab, .dim = c.size.width});  // [T, D]
  auto window = windows.begin();
  for (GraphBuilder& l : g.layers("model.layers", c.layers)) {
    attention.window = *window++;
    x = x + l.self_attention("self_attn", l.norm("input_layernorm", x, norm), attention);  // [T, D]
    x = x + l.feed_forward("mlp", l.norm("post_attention_layernorm", x, norm), mlp);       // [T, D]
  }
  x = g.norm("model.norm", g.sampled_rows(x), norm);             // [R, D]
  g.output("logits", g.linear("lm_head", x, {.out = c.vocab}));  // [R, V]
  return m;
}

}  // namespace

ModelDef build_qwen2(const ConfigReader& config, Checkpoint& ckpt) {
  const DecoderConfig c(config);
  Attention attention = c.attention();
  attention.proj.bias = true;
  return build_qwen(c, config, ckpt, attention);
}

ModelDef build_qwen3(const ConfigReader& config, Checkpoint& ckpt) {
  const DecoderConfig c(config);
  Attention attention = c.attention();
  attention.proj.bias = attention.proj.out_bias = config.optional_bool("attention_bias", false);
  attention.q_norm = "self_attn.q_norm";
  attention.k_norm = "self_attn.k_norm";
  attention.qk_norm = {.kind = Norm::rms, .eps = c.eps};
  return build_qwen(c, config, ckpt, attention);
}

}  // namespace attend
