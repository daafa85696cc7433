// What BERT and its nearest relatives (RoBERTa, ELECTRA) share: the embeddings, and post-norm layers under
// BERT's names (Devlin et al. 2018, arXiv:1810.04805).
#pragma once

#include "loaders/models/encoder_head.h"

namespace attend {

// Of keys that a configuration leaves out. Where there are no token types by default, there may be none.
struct BertDefaults {
  std::int64_t types = 2;
  double eps = 1e-12;
};

struct BertConfig {
  std::int64_t width, embedding_width, heads, layers, ffn, vocab, positions, types;
  Act act;
  Norm norm;

  // `keys` that BERT's variants spell alike; refuses what turns the model into a decoder.
  explicit BertConfig(const ConfigReader& config, const BertDefaults& defaults = {});
};

// Spellings and left-overs that published checkpoints have: LayerNorm.gamma, position_ids, a missing prefix.
void expect_bert_spellings(Checkpoint& checkpoint, const std::string& prefix);

// Words, positions (`first_position` rows of the table are never used) and types, normalised:
// [T, embedding_width].
Value bert_embeddings(GraphBuilder& g, const BertConfig& c, std::int64_t first_position);

// The layers under `encoder.layer`: [T, D] -> [T, D].
Value bert_layers(GraphBuilder& g, Value x, const BertConfig& c);

}  // namespace attend
