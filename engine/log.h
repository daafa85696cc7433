// The library's own logger: warnings and errors on standard error, unless set_log() says otherwise.
#pragma once

#include <spdlog/logger.h>

#include <functional>
#include <string_view>

namespace attend {

spdlog::logger& logger();

using LogSink = std::function<void(std::string_view level, std::string_view message)>;

// From `level` on, messages go to `sink`, or to standard error when it is empty. Not to be called while other
// threads log. Throws a usage Error for a level that does not exist.
void configure_logger(std::string_view level, LogSink sink);

}  // namespace attend
