// RoBERTa: Liu et al. 2019 (arXiv:1907.11692). Also XLM-RoBERTa (arXiv:1911.02116) and CamemBERT
// (arXiv:1911.03894), which are the same model with other data.
//
// T packed tokens, B sequences, D hidden size.
#include "loaders/models/bert_encoder.h"

namespace attend {

ModelDef build_roberta(const ConfigReader& config, Checkpoint& ckpt) {
  const BertConfig c(config);
  const EncoderHead head = read_encoder_head(config);
  config.refuse_unless("embedding_size", c.width);
  // Positions begin after that of padding.
  const std::int64_t first_position = config.optional_int("pad_token_id", 1, IntRange{0, c.vocab - 1}) + 1;
  if (c.positions <= first_position) {
    config.refuse("CFG_FIELD_RANGE", "max_position_embeddings",
                  "expected more than pad_token_id + 1 = " + std::to_string(first_position) +
                      " (positions begin there), found " + std::to_string(c.positions));
  }
  config.finish();

  expect_bert_spellings(ckpt, "roberta");
  ckpt.ignore({"lm_head.*"});  // of pre-training
  const MaskedLm lm{.dense = "lm_head.dense",
                    .act_name = "lm_head.gelu",
                    .norm = "lm_head.layer_norm",
                    .decoder = "lm_head.decoder",
                    .bias = "lm_head.bias",
                    .embeddings = "roberta.embeddings.word_embeddings",
                    .act = Act::gelu,
                    .norm_attributes = c.norm,
                    .width = c.width,
                    .vocab = c.vocab};
  tie_masked_lm(ckpt, head, lm);

  ModelDef m = encoder_model(head, c.vocab, c.positions - first_position, c.types);
  GraphBuilder g(m, ckpt, "encoder");
  GraphBuilder roberta = head.is(HeadKind::base) ? g.at("") : g.at("roberta");
  Value x = bert_embeddings(roberta, c, first_position);  // [T, D]
  x = bert_layers(roberta, x, c);                         // [T, D]

  add_head(
      g, roberta, ckpt, head, x,
      {.pooler = "pooler.dense", .dense = "classifier.dense", .classifier = "classifier.out_proj", .lm = lm});
  return m;
}

}  // namespace attend
