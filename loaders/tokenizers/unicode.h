// What the pipeline asks about characters. The answers are the reference library's (see unicode_data.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace attend {

// A set of code points, as sorted ranges that do not touch.
class CodePointSet {
 public:
  using Range = std::pair<char32_t, char32_t>;  // first and last

  CodePointSet() = default;
  static CodePointSet of(char32_t first, char32_t last);
  static CodePointSet all() { return of(0, 0x10FFFF); }

  void add(char32_t first, char32_t last);
  void add(const CodePointSet& other);
  void remove(const CodePointSet& other);
  void intersect(const CodePointSet& other);
  CodePointSet complement() const;
  bool contains(char32_t c) const;
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  void normalize();
  std::vector<Range> ranges_;
};

// A small value for each code point, in two levels.
template <typename Value>
class CodePointTable {
 public:
  // Values from runs: each [first, value] reaches to the next one's first. Runs are sorted and begin at 0.
  explicit CodePointTable(const std::vector<std::pair<char32_t, Value>>& runs) {
    std::vector<std::array<Value, 256>> pages;
    std::size_t run = 0;
    for (std::size_t page = 0; page < kPages; ++page) {
      std::array<Value, 256> values;
      for (std::size_t i = 0; i < 256; ++i) {
        const auto c = static_cast<char32_t>(page * 256 + i);
        while (run + 1 < runs.size() && runs[run + 1].first <= c) ++run;
        values[i] = runs[run].second;
      }
      // Most pages repeat the one before, or an early one (nothing assigned, one large block).
      std::size_t found = pages.size();
      if (!pages.empty() && pages[index_[page - 1]] == values) found = index_[page - 1];
      for (std::size_t i = 0; found == pages.size() && i < pages.size(); ++i)
        if (pages[i] == values) found = i;
      if (found == pages.size()) pages.push_back(values);
      index_[page] = static_cast<std::uint16_t>(found);
    }
    for (const auto& page : pages) values_.insert(values_.end(), page.begin(), page.end());
  }

  Value operator[](char32_t c) const { return values_[index_[c >> 8] * 256u + (c & 0xFF)]; }

 private:
  static constexpr std::size_t kPages = 0x1100;
  std::array<std::uint16_t, kPages> index_{};
  std::vector<Value> values_;
};

// The 25 characters of White_Space: \s, and what Strip and WhitespaceSplit take.
constexpr bool is_whitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}
bool is_numeric(char32_t c);
// ASCII punctuation and symbols, and the category P of Unicode 8.
bool is_punctuation(char32_t c);
// \w of the Whitespace pre-tokenizer and of `single_word`.
bool is_word_character(char32_t c);
// Dropped by BertNormalizer's clean_text.
bool is_cleaned_text(char32_t c);
// Dropped by StripAccents, and by BertNormalizer's strip_accents.
bool is_accent(char32_t c);
bool is_bert_accent(char32_t c);
// The CJK ideographs that BertNormalizer puts spaces around.
bool is_cjk_ideograph(char32_t c);
// Changed by, or reordered in, some normalization form.
bool is_normalizable(char32_t c);
// Runs of equal values are one script for UnicodeScripts; 0 goes with its neighbours.
std::uint8_t split_script(char32_t c);
// One character of lower case; U+0130 gives `i`, its U+0307 is up to the caller.
char32_t to_lower(char32_t c);

// Sets of Oniguruma 6.9.10, named as in \p{...}: categories (Lu, Letter), scripts (Han), POSIX classes
// (alpha, word) and Any, Assigned, Alphabetic, Emoji, ... Case, spaces, - and _ in names do not count.
// Returns false when the name is not known.
bool find_property(std::string_view name, CodePointSet* out);
// Adds every character that (?i) takes for a member.
void add_case_variants(CodePointSet& set);

}  // namespace attend
