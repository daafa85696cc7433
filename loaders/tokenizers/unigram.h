// The unigram language model (Kudo 2018, arXiv:1804.10959): the most probable segmentation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/byte_trie.h"
#include "loaders/tokenizers/token_model.h"

namespace attend {

class Unigram : public TokenModel {
 public:
  explicit Unigram(const ComponentReader& component);

  // Viterbi over all pieces that begin at each character. Neighbouring unknown characters become one token.
  void tokenize(std::string_view word, std::vector<ModelToken>& tokens) const override;
  std::string_view type() const override { return "Unigram"; }

 private:
  void add_token(std::string_view word, std::uint32_t begin, std::uint32_t end,
                 std::vector<ModelToken>& tokens) const;
  [[noreturn]] static void no_unknown_token();

  ByteTrie trie_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  std::optional<std::int32_t> unk_id_;
  std::vector<std::int32_t> byte_tokens_;  // empty without byte fallback
};

}  // namespace attend
