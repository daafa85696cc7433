// A tokenizer with a handful of tokens that decodes as the three usual families do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attend/tokenizer.h"

namespace attend::test {

// Tokens such as <s>, </s> and [CLS] are special.
class ToyTokenizer : public Tokenizer {
 public:
  enum class Kind {
    byte_level,  // GPT-2: tokens are bytes; invalid UTF-8 becomes U+FFFD
    metaspace,   // SentencePiece with byte fallback: U+2581 is a space, the first of the text is dropped
    word_piece,  // BERT: a space before every token but ##continuations; spaces before punctuation go away
  };

  ToyTokenizer(Kind kind, std::vector<std::string> tokens) : kind_(kind), tokens_(std::move(tokens)) {}

  Encoding encode(std::string_view, const EncodeOptions&) const override { return {}; }
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const override {
    decoded_tokens += ids.size();
    std::string text;
    std::string bytes;  // pending run of byte tokens
    for (const std::int32_t id : ids) {
      if (is_special(id) && skip_special_tokens) continue;
      const std::string& token = tokens_[static_cast<std::size_t>(id)];
      if (kind_ == Kind::metaspace && token.starts_with("<0x")) {
        bytes += static_cast<char>(std::stoi(token.substr(3, 2), nullptr, 16));
        continue;
      }
      text += byte_run(std::exchange(bytes, {}));
      if (kind_ == Kind::word_piece && !text.empty() && !token.starts_with("##")) text += ' ';
      text += kind_ == Kind::word_piece && !text.empty() && token.starts_with("##") ? token.substr(2) : token;
    }
    text += byte_run(bytes);
    switch (kind_) {
      case Kind::byte_level: return with_replacements(text);
      case Kind::metaspace: return without_first_space(replace_all(text, "\xE2\x96\x81", " "));
      case Kind::word_piece: break;
    }
    for (const auto& [from, to] : {std::pair{" .", "."},
                                   {" ?", "?"},
                                   {" !", "!"},
                                   {" ,", ","},
                                   {" ' ", "'"},
                                   {" n't", "n't"},
                                   {" 'm", "'m"},
                                   {" 's", "'s"},
                                   {" 've", "'ve"},
                                   {" 're", "'re"}}) {
      text = replace_all(text, from, to);
    }
    return text;
  }
  std::optional<std::int32_t> token_to_id(std::string_view) const override { return std::nullopt; }
  std::optional<std::string> id_to_token(std::int32_t id) const override {
    return tokens_[static_cast<std::size_t>(id)];
  }
  std::int32_t vocab_size() const override { return static_cast<std::int32_t>(tokens_.size()); }
  bool is_special(std::int32_t id) const override {
    const std::string& token = tokens_[static_cast<std::size_t>(id)];
    return token == "<s>" || token == "</s>" || token == "[CLS]";
  }

  mutable std::size_t decoded_tokens = 0;

 private:
  static std::string replace_all(std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
    return text;
  }
  static std::string without_first_space(std::string text) {
    return text.starts_with(' ') ? text.substr(1) : text;
  }
  // Length of the character that begins at `at`, 0 when it is not valid; enough for the tests' characters.
  static std::size_t character_length(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (length == 0 || at + length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i) {
      if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
    }
    return length;
  }
  // One U+FFFD for a lead byte and the continuation bytes that follow it.
  static std::string with_replacements(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size();) {
      if (const std::size_t length = character_length(text, i); length > 0) {
        result += text.substr(i, length);
        i += length;
        continue;
      }
      result += "\xEF\xBF\xBD";
      const bool lead = static_cast<unsigned char>(text[i]) >= 0xC0;
      ++i;
      while (lead && i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) ++i;
    }
    return result;
  }
  // A run of byte tokens is text when it is valid as a whole, else one U+FFFD per byte.
  static std::string byte_run(const std::string& bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
      const std::size_t length = character_length(bytes, i);
      if (length == 0) return replace_all(std::string(bytes.size(), '?'), "?", "\xEF\xBF\xBD");
      i += length;
    }
    return bytes;
  }

  Kind kind_;
  std::vector<std::string> tokens_;
};

}  // namespace attend::test
