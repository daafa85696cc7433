// Gemma (arXiv:2403.08295): scaled embeddings, norms whose weights are stored minus one, GELU gates. Gemma 2
// (arXiv:2408.00118) adds norms after each block, windows on every other layer, and soft caps on scores and
// logits.
//
// T packed tokens of the step, R rows that sample, D hidden_size, V vocab_size.
#include <cmath>

#include "loaders/models/decoder_config.h"

namespace attend {
namespace {

constexpr DecoderOptions kOptions{.tied = true};

Attention gemma_attention(const DecoderConfig& c, const ConfigReader& config) {
  config.refuse_unless("use_bidirectional_attention", false);
  Attention attention = c.attention();
  attention.proj.bias = attention.proj.out_bias = config.optional_bool("attention_bias", false);
  return attention;
}

// "gelu" has always meant the tanh form here.
Act gemma_activation(const ConfigReader& config, const ConfigKey& key) {
  const Act act = read_activation(config, key, "gelu_pytorch_tanh");
  return act == Act::gelu ? Act::gelu_tanh : act;
}

}  // namespace

ModelDef build_gemma(const ConfigReader& config, Checkpoint& ckpt) {
  const DecoderConfig c(config, kOptions);
  const Norm norm{.kind = Norm::rms, .eps = c.eps, .weight_offset = 1.0F};
  const Attention attention = gemma_attention(c, config);
  const FeedForward mlp = c.gated_mlp(gemma_activation(config, "hidden_act"));
  config.ignore({"hidden_activation"});
  config.finish();

  ModelDef m = decoder_model(c, ckpt);
  const float scale = std::sqrt(static_cast<float>(c.size.width));  // in f32, as all that follows
  GraphBuilder g(m, ckpt, "decoder");
  Value x = g.embedding("model.embed_tokens", g.tokens(),
                        {.rows = c.vocab, .dim = c.size.width, .scale = scale});  // [T, D]
  for (GraphBuilder& l : g.layers("model.layers", c.layers)) {
    x = x + l.self_attention("self_attn", l.norm("input_layernorm", x, norm), attention);  // [T, D]
    x = x + l.feed_forward("mlp", l.norm("post_attention_layernorm", x, norm), mlp);       // [T, D]
  }
  x = g.norm("model.norm", g.sampled_rows(x), norm);             // [R, D]
  g.output("logits", g.linear("lm_head", x, {.out = c.vocab}));  // [R, V]
  return m;
}

ModelDef build_gemma2(const ConfigReader& config, Checkpoint& ckpt) {
  const DecoderConfig c(config, kOptions);
  const Norm norm{.kind = Norm::rms, .eps = c.eps, .weight_offset = 1.0F};
  const RealRange cap_range{.min = 0.0, .max = 1e6, .above_min = true};
  Attention attention = gemma_attention(c, config);
  const double query_scalar = config.optional_real("query_pre_attn_scalar", 256.0, cap_range);
  attention.scale = static_cast<float>(1.0 / std::sqrt(query_scalar));
  attention.softcap =
      static_cast<float>(config.optional_real("attn_logit_softcapping", cap_range).value_or(0.0));
  const auto final_cap =
      static_cast<float>(config.optional_real("final_logit_softcapping", cap_range).value_or(0.0));
  const FeedForward mlp = c.gated_mlp(gemma_activation(config, "hidden_activation"));
  const std::vector<std::int64_t> windows =
      read_windows(config, c.layers, [](std::int64_t layer) { return layer % 2 == 0; });
  config.ignore({"hidden_act", "cache_implementation"});
  config.finish();

  ModelDef m = decoder_model(c, ckpt);
  const float scale = std::sqrt(static_cast<float>(c.size.width));  // in f32, as all that follows
  GraphBuilder g(m, ckpt, "decoder");
  Value x = g.embedding("model.embed_tokens", g.tokens(),
                        {.rows = c.vocab, .dim = c.size.width, .scale = scale});  // [T, D]
  auto window = windows.begin();
  for (GraphBuilder& l : g.layers("model.layers", c.layers)) {
    attention.window = *window++;
    const Value a = l.self_attention("self_attn", l.norm("input_layernorm", x, norm), attention);  // [T, D]
    x = x + l.norm("post_attention_layernorm", a, norm);                                           // [T, D]
    const Value f = l.feed_forward("mlp", l.norm("pre_feedforward_layernorm", x, norm), mlp);      // [T, D]
    x = x + l.norm("post_feedforward_layernorm", f, norm);                                         // [T, D]
  }
  x = g.norm("model.norm", g.sampled_rows(x), norm);                                   // [R, D]
  g.output("logits", g.linear("lm_head", x, {.out = c.vocab, .softcap = final_cap}));  // [R, V]
  return m;
}

}  // namespace attend
