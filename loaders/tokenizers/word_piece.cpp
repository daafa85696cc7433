#include "loaders/tokenizers/word_piece.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "loaders/files/message_text.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {

WordPiece::WordPiece(const ComponentReader& component) {
  component.expect_fields({"unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
  unk_token_ = component.text("unk_token");
  continuing_subword_prefix_ = component.text("continuing_subword_prefix");
  max_input_chars_per_word_ = component.integer("max_input_chars_per_word", UINT32_MAX);
  vocabulary_ = read_vocabulary(component.object("vocab"), component.where() + ".vocab");
  build();
}

WordPiece::WordPiece(Vocabulary vocabulary, std::string_view unk_token) : unk_token_(unk_token) {
  vocabulary_ = std::move(vocabulary);
  build();
}

void WordPiece::build() {
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  vocabulary_.for_each([&](std::string_view token, std::int32_t id) {
    if (!token.empty() && vocabulary_.find(token) == id) keys.emplace_back(token, id);
  });
  trie_ = ByteTrie(std::move(keys));
  has_continuing_ =
      std::all_of(continuing_subword_prefix_.begin(), continuing_subword_prefix_.end(),
                  [&](char byte) { return trie_.step(continuing_root_, static_cast<unsigned char>(byte)); });
}

void WordPiece::tokenize(std::string_view word, std::vector<ModelToken>& tokens) const {
  const std::size_t before = tokens.size();
  bool unknown = count_code_points(word) > max_input_chars_per_word_;
  for (std::size_t begin = 0; begin < word.size() && !unknown;) {
    std::uint32_t node = begin == 0 ? ByteTrie::kRoot : continuing_root_;
    std::int32_t id = -1;
    std::size_t end = begin;
    if (begin == 0 || has_continuing_) {
      for (std::size_t at = begin; at < word.size() && trie_.step(node, static_cast<unsigned char>(word[at]));
           ++at) {
        if (trie_.value(node) < 0) continue;
        id = trie_.value(node);
        end = at + 1;
      }
    }
    unknown = id < 0;
    tokens.push_back({id, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
    begin = end;
  }
  if (!unknown) return;
  tokens.resize(before);
  const std::int32_t unk = vocabulary_.find(unk_token_);
  if (unk < 0)
    throw Error("TOK_UNKNOWN_TOKEN", "model.unk_token",
                fmt::format("a word has no pieces, and the vocabulary lacks {}", quote_text(unk_token_)));
  tokens.push_back({unk, 0, static_cast<std::uint32_t>(word.size())});
}

}  // namespace attend
