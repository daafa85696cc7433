// ELECTRA: Clark et al. 2020 (arXiv:2003.10555). BERT with embeddings that may be narrower than its layers,
// and a classification head with a gelu.
//
// T packed tokens, B sequences, E embedding width, D hidden size, R rows whose logits are wanted.
#include "loaders/models/bert_encoder.h"

namespace attend {

ModelDef build_electra(const ConfigReader& config, Checkpoint& ckpt) {
  const BertConfig c(config);
  const EncoderHead head = read_encoder_head(config);
  config.finish();

  expect_bert_spellings(ckpt, "electra");
  ckpt.ignore(
      {"discriminator_predictions.*", "generator_predictions.*", "generator_lm_head.*"});  // of pre-training
  const MaskedLm lm{.dense = "generator_predictions.dense",
                    .act_name = "generator_predictions.activation",
                    .norm = "generator_predictions.LayerNorm",
                    .decoder = "generator_lm_head",
                    .bias = "generator_lm_head.bias",
                    .embeddings = "electra.embeddings.word_embeddings",
                    .act = Act::gelu,
                    .norm_attributes = c.norm,
                    .width = c.embedding_width,
                    .vocab = c.vocab};
  tie_masked_lm(ckpt, head, lm);

  ModelDef m = encoder_model(head, c.vocab, c.positions, c.types);
  GraphBuilder g(m, ckpt, "encoder");
  GraphBuilder electra = head.is(HeadKind::base) ? g.at("") : g.at("electra");
  Value x = bert_embeddings(electra, c, 0);  // [T, E]
  if (c.embedding_width != c.width)
    x = electra.linear("embeddings_project", x, {.out = c.width, .bias = true});
  x = bert_layers(electra, x, c);  // [T, D]

  add_head(g, electra, ckpt, head, x,
           {.dense = "classifier.dense", .act = Act::gelu, .classifier = "classifier.out_proj", .lm = lm});
  return m;
}

}  // namespace attend
