#include "tools/cli/attention/labels.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

namespace attend::cli {
namespace {

struct Character {
  char32_t code = 0;
  std::string_view bytes;
};

std::vector<Character> decode(std::string_view text) {
  std::vector<Character> decoded;
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t code = -1;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                         static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    const std::size_t bytes = length > 0 ? static_cast<std::size_t>(length) : 1;
    decoded.push_back({length > 0 ? static_cast<char32_t>(code) : U'\uFFFD', text.substr(at, bytes)});
    at += bytes;
  }
  return decoded;
}

int width_of(char32_t code) {
  return std::max(0, utf8proc_charwidth(static_cast<utf8proc_int32_t>(code)));
}

// Line breaks, tabs and what else would move the cursor, as symbols.
std::string visible(std::string_view text) {
  std::string result;
  for (const Character& character : decode(text)) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(character.code));
    if (character.code == U'\n' || character.code == U'\r') {
      result += "↵";
    } else if (character.code == U'\t') {
      result += "⇥";
    } else if (category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
               character.code == U'\uFFFD' || category == UTF8PROC_CATEGORY_ZL ||
               category == UTF8PROC_CATEGORY_ZP) {
      // A joiner or a mark of direction means nothing by itself here.
      if (category != UTF8PROC_CATEGORY_CF) result += "\xEF\xBF\xBD";
    } else {
      result += character.bytes;
    }
  }
  return result;
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  for (const Character& character : decode(text)) width += width_of(character.code);
  return width;
}

std::string fitted(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  std::string result;
  int used = 1;  // the ellipsis
  for (const std::string& character : characters(text)) {
    used += display_width(character);
    if (used > width) break;
    result += character;
  }
  return width > 0 ? result + "…" : result;
}

std::string padded(std::string_view text, int width) {
  std::string result = fitted(text, width);
  result.append(static_cast<std::size_t>(std::max(0, width - display_width(result))), ' ');
  return result;
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> result;
  for (const Character& character : decode(text)) {
    if (result.empty() || width_of(character.code) > 0) result.emplace_back();
    result.back() += character.bytes;
  }
  return result;
}

std::string slice(std::string_view text, std::int32_t start, std::int32_t end) {
  const std::vector<Character> decoded = decode(text);
  std::string result;
  for (std::int32_t i = start; i < end && i < static_cast<std::int32_t>(decoded.size()); ++i)
    result += decoded[static_cast<std::size_t>(i)].bytes;
  return result;
}

std::vector<std::string> token_labels(const std::vector<AttentionToken>& tokens, std::string_view text) {
  std::vector<std::string> labels;
  for (const AttentionToken& token : tokens) {
    std::string label = visible(slice(text, token.start, token.end));
    if (label.empty()) label = visible(token.token);
    if (label.empty()) label = fmt::format("{}", token.id);
    labels.push_back(std::move(label));
  }
  return labels;
}

std::vector<std::string> row_labels(const AttentionResult& result) {
  if (!result.queries.empty() || result.maps.empty()) return token_labels(result.queries, result.query_text);
  std::vector<std::string> labels;
  for (std::int64_t i = 0; i < result.maps.front().weights.shape()[1]; ++i)
    labels.push_back(fmt::format("query {}", i));
  return labels;
}

std::vector<std::string> column_labels(const AttentionResult& result) {
  return token_labels(result.keys, result.key_text);
}

}  // namespace attend::cli
