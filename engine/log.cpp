#include "engine/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

struct Level {
  std::string_view name;
  spdlog::level::level_enum value;
};
constexpr std::array<Level, 6> kLevels = {{{"trace", spdlog::level::trace},
                                           {"debug", spdlog::level::debug},
                                           {"info", spdlog::level::info},
                                           {"warn", spdlog::level::warn},
                                           {"error", spdlog::level::err},
                                           {"off", spdlog::level::off}}};

void write_to_stderr(std::string_view level, std::string_view message) {
  const std::string line = fmt::format("attend: {}: {}\n", level, message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

class FunctionSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(LogSink target) : sink_(std::move(target)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const auto* level = std::ranges::find(kLevels, message.level, &Level::value);
    sink_(level == kLevels.end() ? "error" : level->name, {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

 private:
  LogSink sink_;
};

std::shared_ptr<spdlog::logger> make_logger(spdlog::level::level_enum level, LogSink sink) {
  auto made = std::make_shared<spdlog::logger>("attend", std::make_shared<FunctionSink>(std::move(sink)));
  made->set_level(level);
  return made;
}

// Never destroyed: threads may log while the program ends.
std::shared_ptr<spdlog::logger>& current() {
  static auto* const kLogger =
      new std::shared_ptr<spdlog::logger>(make_logger(spdlog::level::warn, write_to_stderr));
  return *kLogger;
}

}  // namespace

spdlog::logger& logger() {
  return *current();
}

void configure_logger(std::string_view level, LogSink sink) {
  const auto* known = std::ranges::find(kLevels, level, &Level::name);
  if (known == kLevels.end()) {
    throw usage_error("LOG_LEVEL", "log level",
                      fmt::format("expected trace, debug, info, warn, error or off, found '{}'", level));
  }
  current() = make_logger(known->value, sink ? std::move(sink) : write_to_stderr);
}

}  // namespace attend
