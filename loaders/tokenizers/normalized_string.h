// Text on its way through the pipeline, with the place in the original text that each of its bytes comes
// from.
//
// It follows the reference's NormalizedString operation by operation, so that offsets agree in corner cases
// too.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/normalization_forms.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {

// Bytes [begin, end) of the original text. All bytes of one character share one alignment.
struct Alignment {
  std::uint32_t begin, end;
};

// A match, or the text between two matches; [begin, end) in bytes.
struct MatchSpan {
  std::uint32_t begin, end;
  bool matched;
};

class NormalizedString {
 public:
  NormalizedString() = default;
  // `original` itself; its first byte is byte `shift` of the whole text.
  explicit NormalizedString(std::string_view original, std::uint32_t shift = 0);
  // Takes over a part of another text. The storage of this one is reused.
  void assign(std::string_view text, std::span<const Alignment> alignments, std::uint32_t original_begin,
              std::uint32_t original_end);

  std::string_view text() const { return text_; }
  std::span<const Alignment> alignments() const { return alignments_; }
  // The part of the original text that this is made of.
  std::uint32_t original_begin() const { return original_begin_; }
  std::uint32_t original_end() const { return original_end_; }
  bool empty() const { return text_.empty(); }

  // Keeps the characters for which keep(c) holds.
  template <typename Keep>
  void filter(Keep&& keep);
  // Replaces each character c by map(c).
  template <typename Map>
  void map(Map&& map);
  // Replaces the whole text: write(emit) calls emit(character, change) with CharacterChange's meaning of
  // change, after `initial_removed` old characters were removed.
  template <typename Write>
  void transform(Write&& write, std::size_t initial_removed = 0);

  void normalize(NormalizationForm form);
  void lowercase();
  void strip(bool left, bool right);
  // Puts `prefix` before the first character, from whose place it then comes. Nothing happens to empty text.
  // This and replace() throw TOK_LIMIT where the text would become many times the original.
  void prepend(std::string_view prefix);
  // Replaces every matched span; spans cover the text.
  void replace(std::span<const MatchSpan> spans, std::string_view content);
  // Replaces each byte by the character that stands for it in byte-level vocabularies.
  void to_byte_level();

 private:
  struct ByteRange {
    std::size_t begin, end;
  };
  // The bytes that a change of the whole original text acts on; false if there are none to act on.
  bool whole_range(ByteRange* range) const;
  template <typename Write>
  void transform_range(ByteRange range, Write&& write, std::size_t initial_removed);

  std::string text_;
  std::vector<Alignment> alignments_;  // one for each byte
  std::uint32_t original_begin_ = 0, original_end_ = 0;
  std::string new_text_;
  std::vector<Alignment> new_alignments_;
};

template <typename Write>
void NormalizedString::transform_range(ByteRange range, Write&& write, std::size_t initial_removed) {
  new_text_.assign(text_, 0, range.begin);
  new_alignments_.assign(alignments_.begin(), alignments_.begin() + static_cast<std::ptrdiff_t>(range.begin));
  std::size_t at = range.begin;
  const auto skip = [&] {
    if (at < range.end) at += utf8_length(text_[at]);
  };
  for (std::size_t i = 0; i < initial_removed; ++i) skip();
  write([&](char32_t character, int change) {
    Alignment alignment{original_begin_, original_begin_};
    if (change > 0) {
      if (at > 0) alignment = alignments_[at - 1];
    } else if (!alignments_.empty()) {
      alignment = alignments_[std::min(at, alignments_.size() - 1)];
    }
    if (change <= 0) {
      for (int i = change; i <= 0; ++i) skip();
    }
    const std::size_t before = new_text_.size();
    append_utf8(new_text_, character);
    for (std::size_t i = before; i < new_text_.size(); ++i) new_alignments_.push_back(alignment);
  });
  new_text_.append(text_, range.end);
  new_alignments_.insert(new_alignments_.end(), alignments_.begin() + static_cast<std::ptrdiff_t>(range.end),
                         alignments_.end());
  text_.swap(new_text_);
  alignments_.swap(new_alignments_);
}

template <typename Write>
void NormalizedString::transform(Write&& write, std::size_t initial_removed) {
  ByteRange range{};
  if (whole_range(&range)) transform_range(range, write, initial_removed);
}

template <typename Keep>
void NormalizedString::filter(Keep&& keep) {
  std::size_t initial_removed = 0;
  bool any_removed = false, any_kept = false;
  for_each_code_point(text_, [&](char32_t c, std::size_t) {
    if (keep(c)) {
      any_kept = true;
    } else {
      any_removed = true;
      initial_removed += !any_kept;
    }
  });
  ByteRange range{};
  if (!whole_range(&range)) return;
  if (!any_removed && range.begin == 0 && range.end == text_.size()) return;
  const std::string old = text_;
  transform_range(
      range,
      [&](auto&& emit) {
        char32_t last = 0;
        bool has_last = false;
        int removed = 0;
        for_each_code_point(old, [&](char32_t c, std::size_t) {
          if (!keep(c)) {
            ++removed;
            return;
          }
          if (has_last) emit(last, -removed);
          last = c;
          has_last = true;
          removed = 0;
        });
        if (has_last) emit(last, -removed);
      },
      any_kept ? initial_removed : 0);
}

template <typename Map>
void NormalizedString::map(Map&& map) {
  const std::string old = text_;
  transform(
      [&](auto&& emit) { for_each_code_point(old, [&](char32_t c, std::size_t) { emit(map(c), 0); }); });
}

// The character that stands for a byte in byte-level vocabularies (GPT-2).
char32_t byte_level_character(unsigned char byte);
// The byte that a character stands for, or -1.
int byte_level_byte(char32_t character);

}  // namespace attend
