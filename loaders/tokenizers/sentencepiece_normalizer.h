// SentencePiece's text normalization: a precompiled table of replacements, white space rules, and the
// escape of spaces as U+2581 (Kudo and Richardson 2018, arXiv:1808.06226, section 3.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loaders/tokenizers/byte_trie.h"
#include "loaders/tokenizers/sentencepiece_proto.h"

namespace attend {

// The replacement table of a model: a double-array trie (Aoe 1989) over byte strings, its values pointing to
// NUL-terminated replacements.
class CharsMap {
 public:
  CharsMap() = default;
  // Checks the table, so that a lookup never leaves it; Error SPM_MODEL_INVALID.
  CharsMap(std::string_view blob, const std::string& where);

  // The longest key that `text` starts with: its length (0: none) and replacement.
  std::pair<std::size_t, std::string_view> longest_prefix(std::string_view text) const;
  // The replacement of the shortest key that `text` starts with. Keys do not go on past a NUL byte.
  std::optional<std::string_view> shortest_prefix(std::string_view text) const;

 private:
  void check_values(const std::string& where) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

class SentencePieceNormalizer {
 public:
  struct Result {
    std::string text;
    // For each byte of `text`, and its end, the byte of the input that it comes from.
    std::vector<std::uint32_t> source;
  };

  // `user_defined` pieces pass unchanged.
  SentencePieceNormalizer(const SentencePieceProto::NormalizerSpec& spec, bool whitespace_as_suffix,
                          ByteTrie user_defined, const std::string& where);

  Result normalize(std::string_view text) const;
  const ByteTrie& user_defined() const { return user_defined_; }

 private:
  // The normalized form of the shortest unit at the head of `text`, and the bytes that it consumes.
  std::pair<std::string_view, std::size_t> normalize_prefix(std::string_view text) const;

  CharsMap charsmap_;
  ByteTrie user_defined_;
  bool add_dummy_prefix_;
  bool remove_extra_whitespaces_;
  bool escape_whitespaces_;
  bool whitespace_as_suffix_;
};

// Bytes of the UTF-8 character at the head of `text` (not empty), by its first byte.
std::size_t utf8_character_size(std::string_view text);

}  // namespace attend
