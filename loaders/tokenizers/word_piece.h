// WordPiece (Schuster and Nakajima 2012; as in BERT): the longest piece first, from the left.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/byte_trie.h"
#include "loaders/tokenizers/token_model.h"

namespace attend {

class WordPiece : public TokenModel {
 public:
  explicit WordPiece(const ComponentReader& component);
  WordPiece(Vocabulary vocabulary, std::string_view unk_token);

  // A word with a part that no piece matches, or with too many characters, is one unknown token.
  void tokenize(std::string_view word, std::vector<ModelToken>& tokens) const override;
  std::string_view type() const override { return "WordPiece"; }
  std::string continuing_subword_prefix() const override { return continuing_subword_prefix_; }

 private:
  void build();

  ByteTrie trie_;
  std::uint32_t continuing_root_ = ByteTrie::kRoot;  // where the prefix leads
  bool has_continuing_ = false;
  std::string unk_token_ = "[UNK]";
  std::string continuing_subword_prefix_ = "##";
  std::uint64_t max_input_chars_per_word_ = 100;
};

}  // namespace attend
