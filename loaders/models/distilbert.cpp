// DistilBERT: Sanh et al. 2019 (arXiv:1910.01108). BERT without token types and pooler.
//
// T packed tokens, B sequences, D dim, R rows whose logits are wanted.
#include "loaders/models/bert_encoder.h"

namespace attend {
namespace {

struct DistilBertConfig {
  std::int64_t width, heads, layers, ffn, vocab, positions;
  Act act;

  explicit DistilBertConfig(const ConfigReader& c) {
    const HeadSizes sizes =
        c.head_sizes({.width = {"dim", "hidden_size"}, .heads = {"n_heads", "num_attention_heads"}});
    width = sizes.width;
    heads = sizes.heads;
    layers = c.required_int({"n_layers", "num_hidden_layers"}, kLayersRange);
    ffn = c.required_int({"hidden_dim", "intermediate_size"}, kWidthRange);
    vocab = c.required_int("vocab_size", kVocabRange);
    positions = c.optional_int("max_position_embeddings", 512, kPositionsRange);
    act = read_activation(c, "activation", "gelu");
    // The sinusoidal table is stored like a learned one.
    c.ignore({"sinusoidal_pos_embds", "seq_classif_dropout", "qa_dropout", "tie_weights_"});
  }
};

}  // namespace

ModelDef build_distilbert(const ConfigReader& config, Checkpoint& ckpt) {
  const DistilBertConfig c(config);
  const EncoderHead head = read_encoder_head(config);
  config.finish();

  expect_bert_spellings(ckpt, "distilbert");
  ckpt.ignore({"vocab_transform.*", "vocab_layer_norm.*", "vocab_projector.*"});  // of pre-training
  const Norm norm{.kind = Norm::layer, .eps = 1e-12F};
  const MaskedLm lm{.dense = "vocab_transform",
                    .act_name = "activation",
                    .norm = "vocab_layer_norm",
                    .decoder = "vocab_projector",
                    .bias = "vocab_projector.bias",
                    .embeddings = "distilbert.embeddings.word_embeddings",
                    .act = c.act,
                    .norm_attributes = norm,
                    .width = c.width,
                    .vocab = c.vocab};
  tie_masked_lm(ckpt, head, lm);

  ModelDef m = encoder_model(head, c.vocab, c.positions, 0);
  GraphBuilder g(m, ckpt, "encoder");
  GraphBuilder distilbert = head.is(HeadKind::base) ? g.at("") : g.at("distilbert");
  GraphBuilder e = distilbert.at("embeddings");
  Value x = e.embedding("word_embeddings", e.tokens(), {.rows = c.vocab, .dim = c.width});
  x = x + e.embedding("position_embeddings", e.positions(), {.rows = c.positions, .dim = c.width});
  x = e.norm("LayerNorm", x, norm);  // [T, D]

  const Attention attention{.proj = {.q = "attention.q_lin",
                                     .k = "attention.k_lin",
                                     .v = "attention.v_lin",
                                     .out = "attention.out_lin"},
                            .heads = c.heads};
  const FeedForward ffn{.hidden = c.ffn, .up = "ffn.lin1", .down = "ffn.lin2", .act = c.act};
  for (GraphBuilder& l : distilbert.layers("transformer.layer", c.layers)) {
    x = l.norm("sa_layer_norm", x + l.self_attention("attention", x, attention), norm);  // [T, D]
    x = l.norm("output_layer_norm", x + l.feed_forward("ffn", x, ffn), norm);            // [T, D]
  }

  add_head(g, distilbert, ckpt, head, x, {.dense = "pre_classifier", .act = Act::relu, .lm = lm});
  return m;
}

}  // namespace attend
