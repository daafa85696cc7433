#include "loaders/tokenizers/python_text.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace attend {
namespace {

struct Character {
  char32_t value = 0;
  std::size_t size = 0;  // bytes
};

// The character at `text[position]`, which is the beginning of one.
Character character_at(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t value = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) value = value << 6U | (byte(i) & 0x3FU);
  return {value, size};
}

}  // namespace

bool is_python_space(char32_t code_point) {
  if (code_point < 0x80) {
    return code_point == ' ' || (code_point >= '\t' && code_point <= '\r') ||
           (code_point >= 0x1C && code_point <= 0x1F);
  }
  constexpr std::array<char32_t, 8> kSingle{0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
  return (code_point >= 0x2000 && code_point <= 0x200A) ||
         std::find(kSingle.begin(), kSingle.end(), code_point) != kSingle.end();
}

std::string_view python_lstrip(std::string_view text) {
  while (!text.empty()) {
    const Character first = character_at(text, 0);
    if (!is_python_space(first.value)) break;
    text.remove_prefix(first.size);
  }
  return text;
}

std::string_view python_rstrip(std::string_view text) {
  while (!text.empty()) {
    std::size_t last = text.size() - 1;
    while ((static_cast<unsigned char>(text[last]) & 0xC0U) == 0x80U && last > 0) --last;
    if (!is_python_space(character_at(text, last).value)) break;
    text = text.substr(0, last);
  }
  return text;
}

std::string_view python_strip(std::string_view text) {
  return python_rstrip(python_lstrip(text));
}

}  // namespace attend
