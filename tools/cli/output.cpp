#include "tools/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "attend/error.h"

namespace attend::cli {

void write_line(const std::string& line) {
  const std::string text = line + '\n';
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      throw OutputClosed();
    } else if (errno != EINTR) {
      throw Error("OUTPUT", "standard output", std::string("cannot be written: ") + std::strerror(errno),
                  ErrorCategory::internal);
    }
  }
}

void write_json(const nlohmann::ordered_json& value) {
  write_line(value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace attend::cli
