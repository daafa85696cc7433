#include "tools/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "attend/error.h"

namespace attend::cli {

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

void write_json(const nlohmann::ordered_json& value) {
  write_line(value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace attend::cli
