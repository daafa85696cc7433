// ALBERT: Lan et al. 2019 (arXiv:1909.11942). Narrow embeddings, and groups of layers that repeat with the
// same weights.
//
// T packed tokens, B sequences, E embedding width, D hidden size, R rows whose logits are wanted.
#include "loaders/models/bert_encoder.h"

namespace attend {

ModelDef build_albert(const ConfigReader& config, Checkpoint& ckpt) {
  const BertConfig c(config);
  const EncoderHead head = read_encoder_head(config);
  const std::int64_t groups = config.optional_int("num_hidden_groups", 1, IntRange{1, c.layers});
  const std::int64_t inner = config.optional_int("inner_group_num", 1, kLayersRange);
  config.ignore({"net_structure_type", "gap_size", "num_memory_blocks", "down_scale_factor"});
  config.finish();

  expect_bert_spellings(ckpt, "albert");
  ckpt.ignore({"predictions.*", "sop_classifier.*"});  // of pre-training
  const MaskedLm lm{.dense = "predictions.dense",
                    .act_name = "predictions.activation",
                    .norm = "predictions.LayerNorm",
                    .decoder = "predictions.decoder",
                    .bias = "predictions.bias",
                    .embeddings = "albert.embeddings.word_embeddings",
                    .act = c.act,
                    .norm_attributes = c.norm,
                    .width = c.embedding_width,
                    .vocab = c.vocab};
  tie_masked_lm(ckpt, head, lm);

  ModelDef m = encoder_model(head, c.vocab, c.positions, c.types);
  GraphBuilder g(m, ckpt, "encoder");
  GraphBuilder albert = head.is(HeadKind::base) ? g.at("") : g.at("albert");
  Value x = bert_embeddings(albert, c, 0);                                                      // [T, E]
  x = albert.linear("encoder.embedding_hidden_mapping_in", x, {.out = c.width, .bias = true});  // [T, D]

  const Attention attention{.proj = {.q = "attention.query",
                                     .k = "attention.key",
                                     .v = "attention.value",
                                     .out = "attention.dense"},
                            .heads = c.heads};
  const FeedForward ffn{.hidden = c.ffn, .up = "ffn", .down = "ffn_output", .act = c.act};
  std::vector<GraphBuilder> group = albert.layers("encoder.albert_layer_groups", groups);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const auto which = static_cast<std::size_t>(i * groups / c.layers);
    for (GraphBuilder& l : group[which].layers("albert_layers", inner)) {
      x = l.norm("attention.LayerNorm", x + l.self_attention("attention.dense", x, attention),
                 c.norm);                                                                     // [T, D]
      x = l.norm("full_layer_layer_norm", x + l.feed_forward("ffn_output", x, ffn), c.norm);  // [T, D]
    }
  }

  add_head(g, albert, ckpt, head, x, {.pooler = "pooler", .lm = lm});
  return m;
}

}  // namespace attend
