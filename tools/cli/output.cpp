#include "tools/cli/output.h"

#include <fmt/format.h>
#include <unistd.h>
#include <utf8proc.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "attend/error.h"

namespace attend::cli {
namespace {

// Whether the text stands for itself between quotes.
bool is_plain(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    if (bytes[at] < 0x20 || bytes[at] == '"' || bytes[at] == '\\') return false;
    utf8proc_int32_t character = 0;
    const utf8proc_ssize_t length =
        bytes[at] < 0x80 ? 1 : utf8proc_iterate(bytes + at, size - at, &character);
    if (length < 1) return false;
    at += length;
  }
  return true;
}

std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

void append_json(std::string& line, std::string_view text) {
  if (is_plain(text))
    line.append(1, '"').append(text).append(1, '"');
  else
    line += dump(text);
}

void write_text(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      throw OutputClosed();
    } else if (errno != EINTR) {
      throw Error("OUTPUT", "standard output", std::string("cannot be written: ") + std::strerror(errno),
                  ErrorCategory::internal);
    }
  }
}

void write_line(const std::string& line) {
  write_text(line + '\n');
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are C2 80 to C2 9F in UTF-8; some terminals obey them too.
    const bool second = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F || second) {
      out += fmt::format("\\x{:02X}", second ? static_cast<unsigned char>(text[++i]) : byte);
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

void write_json(const nlohmann::ordered_json& value) {
  write_line(dump(value));
}

}  // namespace attend::cli
