#include "loaders/tokenizers/normalized_string.h"

#include <fmt/format.h>

#include <array>

#include "attend/error.h"
#include "loaders/tokenizers/unicode.h"

namespace attend {
namespace {

constexpr std::array<char32_t, 256> make_byte_level() {
  std::array<char32_t, 256> table{};
  char32_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    table[byte] = printable ? byte : next++;
  }
  return table;
}
constexpr std::array<char32_t, 256> kByteLevel = make_byte_level();

constexpr std::array<std::int16_t, 324> make_byte_level_inverse() {
  std::array<std::int16_t, 324> table{};
  for (auto& entry : table) entry = -1;
  for (unsigned byte = 0; byte < 256; ++byte) table[kByteLevel[byte]] = static_cast<std::int16_t>(byte);
  return table;
}
constexpr std::array<std::int16_t, 324> kByteLevelInverse = make_byte_level_inverse();

// Files may ask for replacements of replacements that grow without end; real ones add a few characters.
void check_growth(std::size_t original_bytes, std::size_t bytes) {
  constexpr std::size_t kFree = 4U << 20U, kTimes = 64;
  if (bytes <= kFree + kTimes * original_bytes) return;
  throw Error("TOK_LIMIT", "normalizer",
              fmt::format("{} bytes of text would become {}; at most {} times as many and {} MiB are made: "
                          "the tokenizer's replacements are too long",
                          original_bytes, bytes, kTimes, kFree >> 20U));
}

}  // namespace

char32_t byte_level_character(unsigned char byte) {
  return kByteLevel[byte];
}

int byte_level_byte(char32_t character) {
  return character < kByteLevelInverse.size() ? kByteLevelInverse[character] : -1;
}

NormalizedString::NormalizedString(std::string_view original, std::uint32_t shift)
    : text_(original),
      original_begin_(shift),
      original_end_(shift + static_cast<std::uint32_t>(original.size())) {
  alignments_.resize(original.size());
  for (std::uint32_t at = 0; at < original.size();) {
    const auto length = static_cast<std::uint32_t>(utf8_length(original[at]));
    for (std::uint32_t i = 0; i < length; ++i) alignments_[at + i] = {shift + at, shift + at + length};
    at += length;
  }
}

void NormalizedString::assign(std::string_view text, std::span<const Alignment> alignments,
                              std::uint32_t original_begin, std::uint32_t original_end) {
  text_.assign(text);
  alignments_.assign(alignments.begin(), alignments.end());
  original_begin_ = original_begin;
  original_end_ = original_end;
}

bool NormalizedString::whole_range(ByteRange* range) const {
  *range = {0, 0};
  // Nothing is left of the original text: the reference then inserts at the front.
  if (original_begin_ == original_end_) return true;
  // Characters at the front that come from nowhere are not part of the range.
  while (range->begin < text_.size() && alignments_[range->begin].begin == alignments_[range->begin].end)
    ++range->begin;
  range->end = text_.size();
  return range->begin < range->end;
}

void NormalizedString::normalize(NormalizationForm form) {
  ByteRange range{};
  if (!whole_range(&range)) return;
  const bool whole = range.begin == 0 && range.end == text_.size();
  if (whole && is_normalized_in_all_forms(text_)) return;
  const std::vector<CharacterChange> changes = normalize_form(text_, form);
  transform_range(
      range,
      [&](auto&& emit) {
        for (const CharacterChange& item : changes) emit(item.character, item.change);
      },
      0);
}

void NormalizedString::lowercase() {
  const std::string old = text_;
  transform([&](auto&& emit) {
    for_each_code_point(old, [&](char32_t c, std::size_t) {
      emit(to_lower(c), 0);
      if (c == 0x130) emit(0x307, 1);
    });
  });
}

void NormalizedString::strip(bool left, bool right) {
  std::size_t count = 0, leading = 0, trailing = 0;
  for_each_code_point(text_, [&](char32_t c, std::size_t) {
    const bool space = is_whitespace(c);
    leading += space && leading == count;
    trailing = space ? trailing + 1 : 0;
    ++count;
  });
  if (!left) leading = 0;
  if (!right) trailing = 0;
  if (leading == 0 && trailing == 0) return;
  const std::string old = text_;
  transform(
      [&](auto&& emit) {
        std::size_t i = 0;
        for_each_code_point(old, [&](char32_t c, std::size_t) {
          if (i >= leading && i + trailing < count)
            emit(c, i + trailing + 1 == count ? -static_cast<int>(trailing) : 0);
          ++i;
        });
      },
      leading);
}

void NormalizedString::prepend(std::string_view prefix) {
  if (text_.empty()) return;
  check_growth(original_end_ - original_begin_, text_.size() + prefix.size());
  const CodePoint next = decode_utf8(text_, 0);
  transform_range(
      {0, next.length},
      [&](auto&& emit) {
        for_each_code_point(prefix, [&](char32_t c, std::size_t at) { emit(c, at == 0 ? 0 : 1); });
        emit(next.value, 1);
      },
      0);
}

void NormalizedString::replace(std::span<const MatchSpan> spans, std::string_view content) {
  if (std::none_of(spans.begin(), spans.end(), [](const MatchSpan& span) { return span.matched; })) return;
  std::size_t bytes = text_.size();
  for (const MatchSpan& span : spans) {
    if (span.matched) bytes += content.size() - (span.end - span.begin);
  }
  check_growth(original_end_ - original_begin_, bytes);
  new_text_.clear();
  new_alignments_.clear();
  for (const MatchSpan& span : spans) {
    if (!span.matched) {
      new_text_.append(text_, span.begin, span.end - span.begin);
      new_alignments_.insert(new_alignments_.end(), alignments_.begin() + span.begin,
                             alignments_.begin() + span.end);
      continue;
    }
    // What is inserted comes from where the last removed character came from.
    const Alignment alignment =
        span.end > 0 ? alignments_[span.end - 1] : Alignment{original_begin_, original_begin_};
    new_text_.append(content);
    new_alignments_.insert(new_alignments_.end(), content.size(), alignment);
  }
  text_.swap(new_text_);
  alignments_.swap(new_alignments_);
}

void NormalizedString::to_byte_level() {
  const std::string old = text_;
  transform([&](auto&& emit) {
    for (const char byte : old)
      emit(byte_level_character(static_cast<unsigned char>(byte)), is_utf8_continuation(byte) ? 1 : 0);
  });
}

}  // namespace attend
