#include "loaders/tokenizers/utf8.h"

namespace attend {
namespace {

// Length of the valid character at `at`; otherwise 0, and `*bad` gets the length of the invalid part.
std::size_t check_character(std::string_view text, std::size_t at, std::size_t* bad) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  const unsigned lead = byte(0);
  *bad = 1;
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t length = utf8_length(static_cast<char>(lead));
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    *bad = i;
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

}  // namespace

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t bad = 0;
    const std::size_t length = check_character(bytes, at, &bad);
    if (length == 0) {
      append_utf8(out, kReplacementCharacter);
      at += bad;
    } else {
      out.append(bytes, at, length);
      at += length;
    }
  }
  return out;
}

}  // namespace attend
