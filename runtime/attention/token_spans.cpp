#include "runtime/attention/token_spans.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace attend {
namespace {

constexpr char32_t kSpaceSymbol = 0x2581;

TextSpan without_space_in_front(const std::u32string& text, TextSpan span) {
  while (span.first < span.second && is_space(text[static_cast<std::size_t>(span.first)])) ++span.first;
  return span;
}

// Each code point as the first one of its compatibility form, in lower case: what normalisation makes of it.
std::u32string folded(const std::u32string& text) {
  std::u32string result;
  for (const char32_t c : text) {
    std::array<utf8proc_int32_t, 32> forms{};
    int boundary = 0;
    const auto options =
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD);
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), forms.data(), forms.size(),
                                               options, &boundary);
    result +=
        count > 0 && static_cast<std::size_t>(count) <= forms.size() ? static_cast<char32_t>(forms[0]) : c;
  }
  return result;
}

// For each code point of `from` the index in `to` that it became, or -1 when it has none (Levenshtein 1966).
std::vector<std::int32_t> edit_alignment(const std::u32string& from, const std::u32string& to) {
  enum Step : std::uint8_t { both, drop, insert };
  const std::size_t columns = to.size() + 1;
  std::vector<std::uint8_t> steps((from.size() + 1) * columns, insert);
  std::vector<std::int32_t> costs(columns);
  for (std::size_t j = 0; j < columns; ++j) costs[j] = static_cast<std::int32_t>(j);
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::int32_t diagonal = costs[0];
    costs[0] = static_cast<std::int32_t>(i);
    steps[i * columns] = drop;
    for (std::size_t j = 1; j < columns; ++j) {
      // A space never stands for a letter.
      const bool same = from[i - 1] == to[j - 1];
      const std::int32_t change = same ? 0 : is_space(from[i - 1]) != is_space(to[j - 1]) ? 3 : 1;
      const std::array<std::int32_t, 3> choices = {diagonal + change, costs[j] + 1, costs[j - 1] + 1};
      const auto best = std::ranges::min_element(choices);
      diagonal = costs[j];
      costs[j] = *best;
      steps[i * columns + j] = static_cast<std::uint8_t>(best - choices.begin());
    }
  }
  std::vector<std::int32_t> places(from.size(), -1);
  for (std::size_t i = from.size(), j = to.size(); i > 0;) {
    const std::uint8_t step = steps[i * columns + j];
    if (step == both) places[i - 1] = static_cast<std::int32_t>(j - 1);
    if (step != insert) --i;
    if (step != drop) --j;
  }
  return places;
}

}  // namespace

std::u32string code_points(std::string_view text) {
  std::u32string points;
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t code = -1;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                         static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    points += length > 0 ? static_cast<char32_t>(code) : U'\uFFFD';
    at += length > 0 ? static_cast<std::size_t>(length) : 1;
  }
  return points;
}

std::string utf8(std::u32string_view code_points) {
  std::string text;
  for (const char32_t c : code_points) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes.data());
    text.append(bytes.begin(), bytes.begin() + size);
  }
  return text;
}

bool is_space(char32_t c) {
  if ((c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F) || c == 0x85) return true;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

std::vector<TextSpan> spans_of_pieces(std::string_view text, std::span<const std::string> pieces) {
  const std::u32string target = code_points(text);
  std::u32string joined;
  std::vector<std::size_t> ends;
  for (const std::string& piece : pieces) {
    joined += code_points(piece);
    ends.push_back(joined.size());
  }
  std::ranges::replace(joined, kSpaceSymbol, U' ');
  const std::vector<std::int32_t> places = edit_alignment(folded(joined), folded(target));
  std::vector<TextSpan> spans;
  std::int32_t at = 0;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    TextSpan span{-1, at};
    for (std::size_t i = begin; i < end; ++i) {
      if (places[i] < 0) continue;
      if (span.first < 0) span.first = places[i];
      span.second = places[i] + 1;
    }
    if (span.first < 0) span.first = span.second = at;
    at = span.second;
    begin = end;
    spans.push_back(without_space_in_front(target, span));
  }
  return spans;
}

std::vector<TextSpan> spans_of_decoding(const Tokenizer& tokenizer, std::span<const std::int32_t> ids) {
  const std::u32string text = code_points(tokenizer.decode(ids));
  std::vector<TextSpan> spans;
  std::int32_t at = 0;
  for (std::size_t n = 1; n <= ids.size(); ++n) {
    const std::u32string so_far = code_points(tokenizer.decode(ids.first(n)));
    // A character whose bytes are not all there, or a space that a later token takes back, is no common part.
    const auto common = std::ranges::mismatch(so_far, text);
    const auto end = std::max(at, static_cast<std::int32_t>(common.in2 - text.begin()));
    spans.push_back(without_space_in_front(text, {at, end}));
    at = end;
  }
  return spans;
}

}  // namespace attend
