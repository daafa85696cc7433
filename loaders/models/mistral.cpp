// Mistral (Jiang et al. 2023, arXiv:2310.06825): Llama's blocks, where a token sees the last `sliding_window`
// tokens.
//
// T packed tokens of the step, R rows that sample, D hidden_size, V vocab_size.
#include "loaders/models/decoder_config.h"

namespace attend {

ModelDef build_mistral(const ConfigReader& config, Checkpoint& ckpt) {
  const DecoderConfig c(config);
  const Norm norm{.kind = Norm::rms, .eps = c.eps};
  Attention attention = c.attention();
  attention.window = config.optional_int("sliding_window", 0, kPositionsRange);
  const FeedForward mlp = c.gated_mlp(read_activation(config, "hidden_act", "silu"));
  config.finish();

  ModelDef m = decoder_model(c, ckpt);
  GraphBuilder g(m, ckpt, "decoder");
  Value x = g.embedding("model.embed_tokens", g.tokens(), {.rows = c.vocab, .dim = c.size.width});  // [T, D]
  for (GraphBuilder& l : g.layers("model.layers", c.layers)) {
    x = x + l.self_attention("self_attn", l.norm("input_layernorm", x, norm), attention);  // [T, D]
    x = x + l.feed_forward("mlp", l.norm("post_attention_layernorm", x, norm), mlp);       // [T, D]
  }
  x = g.norm("model.norm", g.sampled_rows(x), norm);             // [R, D]
  g.output("logits", g.linear("lm_head", x, {.out = c.vocab}));  // [R, V]
  return m;
}

}  // namespace attend
