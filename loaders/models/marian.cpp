// Marian translation models, as OPUS-MT publishes them: the post-norm transformer of Vaswani et al. 2017
// (arXiv:1706.03762) with sinusoidal positions, as trained by Marian (Junczys-Dowmunt et al. 2018,
// arXiv:1804.00344).
//
// T target tokens of the step, S source tokens, R rows that sample, D d_model, V vocabulary.
#include <cmath>

#include "loaders/models/architecture.h"

namespace attend {
namespace {

struct MarianConfig {
  struct Side {
    std::int64_t layers, heads, ffn, vocab;
  };
  std::int64_t width, positions;
  Side enc, dec;
  Act act;
  float embed_scale;
  bool shared, tied;

  explicit MarianConfig(const ConfigReader& c) {
    width = c.required_int({"d_model", "hidden_size"}, kWidthRange);
    positions = c.optional_int("max_position_embeddings", 1024, kPositionsRange);
    enc = {c.required_int({"encoder_layers", "num_hidden_layers"}, kLayersRange),
           encoder_heads(c, "encoder_attention_heads"), c.required_int("encoder_ffn_dim", kWidthRange),
           c.required_int("vocab_size", kVocabRange)};
    dec = {c.required_int("decoder_layers", kLayersRange), encoder_heads(c, "decoder_attention_heads"),
           c.required_int("decoder_ffn_dim", kWidthRange),
           c.optional_int("decoder_vocab_size", enc.vocab, kVocabRange)};
    act = read_activation(c, "activation_function", "gelu");
    embed_scale = c.optional_bool("scale_embedding", false) ? std::sqrt(static_cast<float>(width)) : 1.0F;
    shared = c.optional_bool("share_encoder_decoder_embeddings", true);
    tied = c.optional_bool("tie_word_embeddings", true);
    // Variants of the training toolkit that the published form of the model does not have.
    c.refuse_unless("normalize_before", false);
    c.refuse_unless("normalize_embedding", false);
    c.refuse_unless("add_final_layer_norm", false);
    c.refuse_unless("static_position_embeddings", true);
    c.refuse_unless("is_encoder_decoder", true);
    c.ignore({"add_bias_logits", "extra_pos_embeddings", "num_hidden_layers", "num_attention_heads",
              "is_decoder", "decoder_start_token_id"});
  }

  static std::int64_t encoder_heads(const ConfigReader& c, const char* key) {
    return c.head_sizes({.width = {"d_model", "hidden_size"}, .heads = key}).heads;
  }
};

// Positions are a table in some checkpoints and left out, as they can be computed, in most.
Value with_positions(GraphBuilder& side, Checkpoint& ckpt, const std::string& name, Value x,
                     const MarianConfig& c) {
  if (ckpt.has(name + ".embed_positions.weight")) {
    return x + side.embedding("embed_positions", side.positions(), {.rows = c.positions, .dim = c.width});
  }
  return x + side.sinusoid("embed_positions", side.positions(), {.rows = c.positions, .dim = c.width});
}

}  // namespace

ModelDef build_marian(const ConfigReader& config, Checkpoint& ckpt) {
  const MarianConfig c(config);
  config.finish();

  if (c.shared)
    ckpt.tie(
        {"model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"});
  if (c.tied) {
    ckpt.tie(c.shared ? std::vector<std::string>{"lm_head.weight", "model.shared.weight",
                                                 "model.decoder.embed_tokens.weight",
                                                 "model.encoder.embed_tokens.weight"}
                      : std::vector<std::string>{"lm_head.weight", "model.decoder.embed_tokens.weight"});
  }

  ModelDef m;
  m.family = Family::encoder_decoder;
  m.tasks = {"translation"};
  m.vocab_size = c.enc.vocab;
  m.target_vocab_size = c.dec.vocab;
  m.max_positions = m.max_target_positions = c.positions;

  const Norm norm{.kind = Norm::layer, .eps = 1e-5F};
  const Attention self_enc{.proj = qkvo("self_attn", "out_proj"), .heads = c.enc.heads};
  const Attention self_dec{.proj = qkvo("self_attn", "out_proj"), .heads = c.dec.heads, .mask = Mask::causal};
  const Attention cross{.proj = qkvo("encoder_attn", "out_proj"), .heads = c.dec.heads};
  const FeedForward ffn_enc{.hidden = c.enc.ffn, .up = "fc1", .down = "fc2", .act = c.act};
  const FeedForward ffn_dec{.hidden = c.dec.ffn, .up = "fc1", .down = "fc2", .act = c.act};

  GraphBuilder encoder(m, ckpt, "encoder");
  GraphBuilder enc = encoder.at("model.encoder");
  Value x = enc.embedding("embed_tokens", enc.tokens(),
                          {.rows = c.enc.vocab, .dim = c.width, .scale = c.embed_scale});  // [S, D]
  x = with_positions(enc, ckpt, "model.encoder", x, c);
  for (GraphBuilder& l : enc.layers("layers", c.enc.layers)) {
    x = l.norm("self_attn_layer_norm", x + l.self_attention("self_attn", x, self_enc), norm);  // [S, D]
    x = l.norm("final_layer_norm", x + l.feed_forward("ffn", x, ffn_enc), norm);               // [S, D]
  }
  encoder.output("encoder_last_hidden_state", x);
  // Keys and values of the encoder's output, once per request.
  for (GraphBuilder& l : encoder.at("model.decoder").layers("layers", c.dec.layers)) {
    l.cross_kv("encoder_attn.kv", x, cross);
  }

  GraphBuilder decoder(m, ckpt, "decoder");
  GraphBuilder dec = decoder.at("model.decoder");
  Value y = dec.embedding("embed_tokens", dec.tokens(),
                          {.rows = c.dec.vocab, .dim = c.width, .scale = c.embed_scale});  // [T, D]
  y = with_positions(dec, ckpt, "model.decoder", y, c);
  for (GraphBuilder& l : dec.layers("layers", c.dec.layers)) {
    y = l.norm("self_attn_layer_norm", y + l.self_attention("self_attn", y, self_dec), norm);      // [T, D]
    y = l.norm("encoder_attn_layer_norm", y + l.cross_attention("encoder_attn", y, cross), norm);  // [T, D]
    y = l.norm("final_layer_norm", y + l.feed_forward("ffn", y, ffn_dec), norm);                   // [T, D]
  }
  decoder.output(
      "logits",
      decoder.linear("lm_head", decoder.sampled_rows(y),
                     {.out = c.dec.vocab, .bias = true, .bias_tensor = "final_logits_bias"}));  // [R, V]
  return m;
}

}  // namespace attend
