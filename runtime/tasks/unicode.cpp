#include "runtime/tasks/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace attend::tasks {
namespace {

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// The code point at `at` and its bytes; a byte that is not UTF-8 counts as itself.
std::pair<utf8proc_int32_t, std::size_t> decode(std::string_view text, std::size_t at) {
  utf8proc_int32_t code = -1;
  const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                       static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  if (length <= 0) return {-1, 1};
  return {code, static_cast<std::size_t>(length)};
}

// Python's str.isspace().
bool is_space(utf8proc_int32_t code) {
  if (code < 0) return false;
  if ((code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F) || code == 0x85) return true;
  const auto category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

}  // namespace

CodePoints::CodePoints(std::string_view text) : text_(text) {
  starts_.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_continuation(text[i])) starts_.push_back(i);
  }
  starts_.push_back(text.size());
}

std::string_view CodePoints::slice(std::int32_t start, std::int32_t end) const {
  const std::int32_t first = std::clamp(start, 0, size());
  const std::int32_t last = std::clamp(end, first, size());
  const std::size_t from = starts_[static_cast<std::size_t>(first)];
  return text_.substr(from, starts_[static_cast<std::size_t>(last)] - from);
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, length] = decode(text, at);
    if (code < 0) {
      out += text[at];
    } else {
      std::array<utf8proc_uint8_t, 4> bytes{};
      const auto size = utf8proc_encode_char(utf8proc_tolower(code), bytes.data());
      out.append(bytes.begin(), bytes.begin() + size);
    }
    at += length;
  }
  return out;
}

std::string_view strip(std::string_view text) {
  std::size_t first = 0;
  while (first < text.size()) {
    const auto [code, length] = decode(text, first);
    if (!is_space(code)) break;
    first += length;
  }
  std::size_t last = text.size();
  while (last > first) {
    std::size_t start = last - 1;
    while (start > first && is_continuation(text[start])) --start;
    if (!is_space(decode(text, start).first)) break;
    last = start;
  }
  return text.substr(first, last - first);
}

}  // namespace attend::tasks
