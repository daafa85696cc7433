#include "runtime/generation/stream_decoder.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace attend {
namespace {

constexpr std::size_t kWindowTokens = 16;
// How many places are tried where the window may begin anew.
constexpr std::size_t kAttempts = 4;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD, what decoders make of incomplete UTF-8

// "<0x0A>": SentencePiece's tokens for single bytes. A run of them is decoded as a whole.
bool is_byte_token(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>');
}

// Bytes of `text` that no further token changes.
std::size_t certain_length(std::string_view text) {
  // At most three bytes of an unfinished character, each of which may have become a replacement.
  for (int i = 0; i < 3 && text.ends_with(kReplacement); ++i) text.remove_suffix(kReplacement.size());
  // Beginnings of what clean_up_tokenization_spaces contracts: " .", " n't", " 've" ...
  constexpr std::array<std::string_view, 5> kContractible = {" n'", " 'v", " 'r", " n", " '"};
  for (const std::string_view beginning : kContractible) {
    if (text.ends_with(beginning)) {
      text.remove_suffix(beginning.size());
      break;
    }
  }
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text.size();
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(tokenizer), skip_special_tokens_(skip_special_tokens), shorten_at_(2 * kWindowTokens) {}

std::string StreamDecoder::push(std::int32_t id) {
  window_.push_back(id);
  // A special token that is skipped adds nothing, and does not even end a run of byte tokens.
  if (skip_special_tokens_ && tokenizer_.is_special(id)) return {};
  const std::optional<std::string> token = tokenizer_.id_to_token(id);
  if (token && is_byte_token(*token)) return {};
  const std::string text = tokenizer_.decode(window_, skip_special_tokens_);
  std::string piece = take(text, certain_length(text));
  if (window_.size() >= shorten_at_) shorten_window(text);
  return piece;
}

std::string StreamDecoder::finish() {
  const std::string text = tokenizer_.decode(window_, skip_special_tokens_);
  std::string piece = take(text, text.size());
  window_.clear();
  emitted_ = 0;
  return piece;
}

std::string StreamDecoder::take(const std::string& text, std::size_t end) {
  if (end <= emitted_) return {};
  std::string piece = text.substr(emitted_, end - emitted_);
  emitted_ = end;
  return piece;
}

// Drops tokens from the front where the text of the rest is an end of the whole text; a decoder may treat the
// first token of a text differently (leading space, continuation marks).
void StreamDecoder::shorten_window(const std::string& text) {
  const std::size_t first = window_.size() - kWindowTokens;
  for (std::size_t drop = first; drop > 0 && drop + kAttempts > first; --drop) {
    const std::string rest = tokenizer_.decode(std::span(window_).subspan(drop), skip_special_tokens_);
    const bool has_text = rest.find_first_not_of(' ') != std::string::npos;
    if (!has_text || !text.ends_with(rest) || text.size() - rest.size() > emitted_) continue;
    emitted_ -= text.size() - rest.size();
    window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(drop));
    shorten_at_ = 2 * kWindowTokens;
    return;
  }
  shorten_at_ = 2 * window_.size();
}

}  // namespace attend
