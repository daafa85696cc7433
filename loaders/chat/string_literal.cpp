#include "loaders/chat/string_literal.h"

#include <cstddef>
#include <cstdint>

#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The character that one letter after a backslash stands for; -1 for other letters.
int simple_escape(char letter) {
  switch (letter) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'v': return '\v';
    case '\\':
    case '\'':
    case '"': return letter;
    default: return -1;
  }
}

}  // namespace

bool decode_string_literal(std::string_view raw, std::string& value, std::string& error) {
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      value += raw[i];
      continue;
    }
    const char letter = raw[++i];
    if (const int simple = simple_escape(letter); simple >= 0) {
      value += static_cast<char>(simple);
    } else if (letter == '\n') {
      // A backslash at the end of a line joins it with the next.
    } else if (letter >= '0' && letter <= '7') {
      char32_t code = 0;
      for (int digits = 0; digits < 3 && i < raw.size() && raw[i] >= '0' && raw[i] <= '7'; ++digits, ++i) {
        code = code * 8 + static_cast<char32_t>(raw[i] - '0');
      }
      --i;
      append_utf8(value, code);
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      const std::size_t size = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
      std::uint64_t code = 0;
      for (std::size_t digit = 1; digit <= size; ++digit) {
        const int number = i + digit < raw.size() ? hex_digit(raw[i + digit]) : -1;
        if (number < 0) {
          error = letter == 'x'   ? "truncated \\xXX escape"
                  : letter == 'u' ? "truncated \\uXXXX escape"
                                  : "truncated \\UXXXXXXXX escape";
          return false;
        }
        code = code * 16 + static_cast<std::uint64_t>(number);
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        error = "illegal Unicode character";
        return false;
      }
      append_utf8(value, static_cast<char32_t>(code));
      i += size;
    } else if (letter == 'N') {
      error = "characters by name (\\N{...}) are not supported";
      return false;
    } else {
      value += '\\';
      value += letter;
    }
  }
  return true;
}

}  // namespace attend::jinja
