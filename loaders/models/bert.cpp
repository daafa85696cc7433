// BERT: Devlin et al. 2018 (arXiv:1810.04805), with the heads of transformers' classes.
//
// T packed tokens, B sequences, D hidden size, C labels, V vocabulary, R rows whose logits are wanted.
#include "loaders/models/bert_encoder.h"

namespace attend {

ModelDef build_bert(const ConfigReader& config, Checkpoint& ckpt) {
  const BertConfig c(config);
  const EncoderHead head = read_encoder_head(config);
  config.refuse_unless("embedding_size", c.width);
  config.finish();

  expect_bert_spellings(ckpt, "bert");
  ckpt.ignore({"cls.*"});  // of pre-training; the masked language model uses its own part
  const MaskedLm lm{.dense = "cls.predictions.transform.dense",
                    .act_name = "cls.predictions.transform.transform_act_fn",
                    .norm = "cls.predictions.transform.LayerNorm",
                    .decoder = "cls.predictions.decoder",
                    .bias = "cls.predictions.bias",
                    .embeddings = "bert.embeddings.word_embeddings",
                    .act = c.act,
                    .norm_attributes = c.norm,
                    .width = c.width,
                    .vocab = c.vocab};
  tie_masked_lm(ckpt, head, lm);

  ModelDef m = encoder_model(head, c.vocab, c.positions, c.types);
  GraphBuilder g(m, ckpt, "encoder");
  GraphBuilder bert = head.is(HeadKind::base) ? g.at("") : g.at("bert");
  Value x = bert_embeddings(bert, c, 0);  // [T, D]
  x = bert_layers(bert, x, c);            // [T, D]

  add_head(g, bert, ckpt, head, x, {.pooler = "pooler.dense", .lm = lm});
  return m;
}

}  // namespace attend
