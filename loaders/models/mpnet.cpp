// MPNet: Song et al. 2020 (arXiv:2004.09297). RoBERTa without token types, with a bias by relative position
// that all layers share.
//
// T packed tokens, B sequences, D hidden size, R rows whose logits are wanted.
#include "loaders/models/bert_encoder.h"

namespace attend {

ModelDef build_mpnet(const ConfigReader& config, Checkpoint& ckpt) {
  const BertConfig c(config);
  const EncoderHead head = read_encoder_head(config);
  config.refuse_unless("embedding_size", c.width);
  // transformers counts 32 buckets whatever the configuration says.
  config.refuse_unless("relative_attention_num_buckets", std::int64_t{32});
  constexpr std::int64_t kFirstPosition = 2;  // positions begin after that of padding, which is 1
  if (c.positions <= kFirstPosition) {
    config.refuse("CFG_FIELD_RANGE", "max_position_embeddings",
                  "expected more than 2 (positions begin there), found " + std::to_string(c.positions));
  }
  config.finish();

  expect_bert_spellings(ckpt, "mpnet");
  ckpt.ignore({"lm_head.*"});  // of pre-training
  const MaskedLm lm{.dense = "lm_head.dense",
                    .act_name = "lm_head.gelu",
                    .norm = "lm_head.layer_norm",
                    .decoder = "lm_head.decoder",
                    .bias = "lm_head.bias",
                    .embeddings = "mpnet.embeddings.word_embeddings",
                    .act = Act::gelu,
                    .norm_attributes = c.norm,
                    .width = c.width,
                    .vocab = c.vocab};
  tie_masked_lm(ckpt, head, lm);

  ModelDef m = encoder_model(head, c.vocab, c.positions - kFirstPosition, 0);
  GraphBuilder g(m, ckpt, "encoder");
  const bool base = head.is(HeadKind::base);
  GraphBuilder mpnet = base ? g.at("") : g.at("mpnet");
  GraphBuilder e = mpnet.at("embeddings");
  Value x = e.embedding("word_embeddings", e.tokens(), {.rows = c.vocab, .dim = c.width});
  x = x + e.embedding("position_embeddings", e.positions(),
                      {.rows = c.positions, .dim = c.width, .offset = kFirstPosition});
  x = e.norm("LayerNorm", x, c.norm);  // [T, D]

  const Attention attention{
      .proj = {.q = "attention.attn.q",
               .k = "attention.attn.k",
               .v = "attention.attn.v",
               .out = "attention.attn.o"},
      .heads = c.heads,
      .relative_bias = RelativeBias{.table = "mpnet.encoder.relative_attention_bias.weight"}};
  const FeedForward ffn{.hidden = c.ffn, .up = "intermediate.dense", .down = "output.dense", .act = c.act};
  for (GraphBuilder& l : mpnet.layers("encoder.layer", c.layers)) {
    x = l.norm("attention.LayerNorm", x + l.self_attention("attention.attn", x, attention),
               c.norm);                                                                  // [T, D]
    x = l.norm("output.LayerNorm", x + l.feed_forward("output.dense", x, ffn), c.norm);  // [T, D]
  }

  add_head(
      g, mpnet, ckpt, head, x,
      {.pooler = "pooler.dense", .dense = "classifier.dense", .classifier = "classifier.out_proj", .lm = lm});
  return m;
}

}  // namespace attend
