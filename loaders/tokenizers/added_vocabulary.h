// Tokens that are found in the text before the model sees it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/byte_trie.h"
#include "loaders/tokenizers/normalizers.h"
#include "loaders/tokenizers/pre_tokenized.h"
#include "loaders/tokenizers/tokenizer_config.h"
#include "loaders/tokenizers/vocabulary.h"

namespace attend {

class AddedVocabulary {
 public:
  // `vocabulary` is the model's; the normalizer may be null. Tokens that the model lacks get the next free
  // ids, in order, whatever a file says (as in the reference). Errors: TOK_ADDED_TOKEN, TOK_ID_RANGE.
  void add(const std::vector<AddedToken>& tokens, const Vocabulary& vocabulary, const Normalizer* normalizer,
           const std::string& where);
  // Special tokens are then not looked for in the text.
  void set_split_special_tokens(bool split) { split_special_tokens_ = split; }

  // Cuts out the tokens of the raw text, normalizes the rest, and cuts out the tokens of the normalized text.
  PreTokenized extract(std::string_view text, const Normalizer* normalizer) const;

  std::int32_t find(std::string_view token) const;
  // How the token is spelled when decoding: as its normalized form, if that is what was looked for.
  std::optional<std::string_view> text(std::int32_t id) const;
  bool is_special(std::int32_t id) const;
  // Left out by decode: compares the spelling, as the reference does.
  bool is_skipped(std::string_view text) const { return special_.contains(text); }
  bool contains(std::string_view content) const { return ids_.contains(content); }
  // Largest id plus one; 0 without tokens.
  std::int32_t end_id() const { return tokens_.empty() ? 0 : tokens_.rbegin()->first + 1; }

 private:
  struct Entry {
    AddedToken token;
    std::string normalized;  // what is looked for, when token.normalized
  };
  // What is looked for in one pass.
  struct Matcher {
    ByteTrie trie;
    std::array<bool, 256> begins{};        // first bytes of patterns
    std::optional<std::int32_t> empty_id;  // of a token that normalization leaves nothing of
    bool any = false;
  };
  struct Match {
    std::uint32_t begin, end;
    std::int32_t id;  // -1 between tokens
  };

  void build_matchers();
  static Matcher build_matcher(const std::map<std::string, std::int32_t>& patterns);
  // Leftmost-longest, without overlap.
  std::vector<Match> find_matches(std::string_view text, const Matcher& matcher) const;
  bool accepts(std::string_view text, const Entry& entry, std::size_t begin, std::size_t end) const;

  std::map<std::string, std::int32_t, std::less<>> ids_;
  std::map<std::int32_t, Entry> tokens_;
  std::set<std::string, std::less<>> special_;
  Matcher raw_, normalized_;
  bool split_special_tokens_ = false;
};

}  // namespace attend
