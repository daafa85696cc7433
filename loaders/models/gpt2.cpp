// GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"): pre-norm decoder with
// learned positions; its linear maps are stored transposed, as inputs by outputs.
//
// T packed tokens of the step, R rows that sample, D n_embd, V vocab_size.
#include <cmath>

#include "loaders/models/architecture.h"

namespace attend {
namespace {

struct Gpt2Config {
  std::int64_t vocab, layers, positions, hidden;
  HeadSizes size;
  float eps;
  Act act;
  bool tied, scaled, scaled_by_layer;

  explicit Gpt2Config(const ConfigReader& c) {
    vocab = c.required_int("vocab_size", kVocabRange);
    layers = c.required_int({"n_layer", "num_hidden_layers"}, kLayersRange);
    positions = c.required_int({"n_positions", "max_position_embeddings"}, kPositionsRange);
    size = c.head_sizes({.width = {"n_embd", "hidden_size"}, .heads = {"n_head", "num_attention_heads"}});
    hidden = c.optional_int("n_inner", 4 * size.width, kWidthRange);
    eps = static_cast<float>(
        c.optional_real("layer_norm_epsilon", 1e-5, {.min = 0.0, .max = 1.0, .above_min = true}));
    act = read_activation(c, "activation_function", "gelu_new");
    tied = c.optional_bool("tie_word_embeddings", true);
    scaled = c.optional_bool("scale_attn_weights", true);
    scaled_by_layer = c.optional_bool("scale_attn_by_inverse_layer_idx", false);
    c.refuse_unless("add_cross_attention", false);
    c.ignore({"n_ctx", "reorder_and_upcast_attn", "summary_activation", "summary_first_dropout",
              "summary_proj_to_labels", "summary_type", "summary_use_proj"});
  }

  Attention attention(std::int64_t layer) const {
    const float scale = scaled ? 1.0F / std::sqrt(static_cast<float>(size.head_dim)) : 1.0F;
    return {.proj = {.out = "attn.c_proj", .qkv = "attn.c_attn", .transposed = true},
            .heads = size.heads,
            .scale = scaled_by_layer ? scale / static_cast<float>(layer + 1) : scale,
            .mask = Mask::causal};
  }
};

}  // namespace

ModelDef build_gpt2(const ConfigReader& config, Checkpoint& ckpt) {
  const Gpt2Config c(config);
  config.finish();

  ckpt.optional_prefix("transformer.");
  if (c.tied) ckpt.tie({"transformer.wte.weight", "lm_head.weight"});
  // Causal masks that older versions stored as buffers.
  ckpt.ignore({"h.*.attn.bias", "h.*.attn.masked_bias", "transformer.h.*.attn.bias",
               "transformer.h.*.attn.masked_bias"});

  ModelDef m;
  m.family = Family::decoder;
  m.tasks = {"text-generation"};
  m.vocab_size = m.target_vocab_size = c.vocab;
  m.max_positions = m.max_target_positions = c.positions;

  const Norm norm{.kind = Norm::layer, .eps = c.eps};
  const FeedForward mlp{
      .hidden = c.hidden, .up = "mlp.c_fc", .down = "mlp.c_proj", .act = c.act, .transposed = true};
  GraphBuilder g(m, ckpt, "decoder");
  Value x = g.embedding("transformer.wte", g.tokens(), {.rows = c.vocab, .dim = c.size.width});  // [T, D]
  x = x +
      g.embedding("transformer.wpe", g.positions(), {.rows = c.positions, .dim = c.size.width});  // [T, D]
  std::int64_t layer = 0;
  for (GraphBuilder& l : g.layers("transformer.h", c.layers)) {
    x = x + l.self_attention("attn", l.norm("ln_1", x, norm), c.attention(layer++));  // [T, D]
    x = x + l.feed_forward("mlp", l.norm("ln_2", x, norm), mlp);                      // [T, D]
  }
  x = g.norm("transformer.ln_f", g.sampled_rows(x), norm);       // [R, D]
  g.output("logits", g.linear("lm_head", x, {.out = c.vocab}));  // [R, V]
  return m;
}

}  // namespace attend
