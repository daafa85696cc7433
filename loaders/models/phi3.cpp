// Phi-3 (Abdin et al. 2024, arXiv:2404.14219): Llama's blocks with fused projections; long contexts through
// LongRoPE (arXiv:2402.13753).
//
// T packed tokens of the step, R rows that sample, D hidden_size, V vocab_size.
#include "loaders/models/decoder_config.h"

namespace attend {

ModelDef build_phi3(const ConfigReader& config, Checkpoint& ckpt) {
  const DecoderConfig c(config, {.eps = 1e-5, .partial_rotary = true, .phi3_spellings = true});
  const Norm norm{.kind = Norm::rms, .eps = c.eps};
  Attention attention = c.attention();
  attention.proj = {.out = "self_attn.o_proj", .qkv = "self_attn.qkv_proj", .bias = false, .out_bias = false};
  attention.window = config.optional_int("sliding_window", 0, kPositionsRange);
  FeedForward mlp = c.gated_mlp(read_activation(config, "hidden_act", "silu"));
  mlp.gate_up = "mlp.gate_up_proj";
  config.ignore({"original_max_position_embeddings", "attention_bias"});
  config.refuse_unless("attention_bias", false);
  config.finish();

  ModelDef m = decoder_model(c, ckpt);
  if (!c.rope.rope.long_inv_freq.empty()) m.recompute_beyond = c.rope.rope.dynamic_from;
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
