#include "loaders/models/bert_encoder.h"

#include <algorithm>

namespace attend {

BertConfig::BertConfig(const ConfigReader& c, const BertDefaults& defaults) {
  const HeadSizes sizes = c.head_sizes({.width = "hidden_size", .heads = "num_attention_heads"});
  width = sizes.width;
  embedding_width = c.optional_int("embedding_size", width, kWidthRange);
  heads = sizes.heads;
  layers = c.required_int("num_hidden_layers", kLayersRange);
  ffn = c.required_int("intermediate_size", kWidthRange);
  vocab = c.required_int("vocab_size", kVocabRange);
  positions = c.optional_int("max_position_embeddings", 512, kPositionsRange);
  types = c.optional_int("type_vocab_size", defaults.types,
                         IntRange{std::min<std::int64_t>(defaults.types, 1), kVocabRange.max});
  act = read_activation(c, "hidden_act", "gelu");
  norm = {.kind = Norm::layer, .eps = read_eps(c, "layer_norm_eps", defaults.eps)};
  c.refuse_unless("is_decoder", false);
  c.refuse_unless("add_cross_attention", false);
  c.refuse_unless("is_encoder_decoder", false);
  c.refuse_unless("position_embedding_type", "absolute");
  c.ignore({"directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
            "pooler_size_per_head", "pooler_type", "summary_type", "summary_use_proj", "summary_activation",
            "summary_last_dropout", "gradient_checkpointing"});
}

void expect_bert_spellings(Checkpoint& ckpt, const std::string& prefix) {
  ckpt.optional_prefix(prefix + ".");
  ckpt.spelling("LayerNorm.weight", "LayerNorm.gamma");
  ckpt.spelling("LayerNorm.bias", "LayerNorm.beta");
  ckpt.ignore({"*embeddings.position_ids", "*embeddings.token_type_ids"});
}

Value bert_embeddings(GraphBuilder& g, const BertConfig& c, std::int64_t first_position) {
  const std::int64_t dim = c.embedding_width;
  GraphBuilder e = g.at("embeddings");
  Value x = e.embedding("word_embeddings", e.tokens(), {.rows = c.vocab, .dim = dim});
  x = x + e.embedding("token_type_embeddings", e.token_types(), {.rows = c.types, .dim = dim});
  x = x + e.embedding("position_embeddings", e.positions(),
                      {.rows = c.positions, .dim = dim, .offset = first_position});
  return e.norm("LayerNorm", x, c.norm);
}

Value bert_layers(GraphBuilder& g, Value x, const BertConfig& c) {
  const Attention attention{.proj = {.q = "attention.self.query",
                                     .k = "attention.self.key",
                                     .v = "attention.self.value",
                                     .out = "attention.output.dense"},
                            .heads = c.heads};
  const FeedForward ffn{.hidden = c.ffn, .up = "intermediate.dense", .down = "output.dense", .act = c.act};
  // Nodes are called as the module whose value they have.
  for (GraphBuilder& l : g.layers("encoder.layer", c.layers)) {
    x = l.norm("attention.output.LayerNorm", x + l.self_attention("attention.output.dense", x, attention),
               c.norm);
    x = l.norm("output.LayerNorm", x + l.feed_forward("output.dense", x, ffn), c.norm);  // [T, D]
  }
  return x;
}

}  // namespace attend
