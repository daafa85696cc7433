#include "tools/cli/model_options.h"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdio>
#include <limits>
#include <memory>
#include <mutex>
#include <string_view>

#include "tools/cli/progress.h"

namespace attend::cli {
namespace {

constexpr std::array<std::string_view, 6> kLevels = {"trace", "debug", "info", "warn", "error", "off"};
constexpr int kMaxThreads = 1024;

// Standard error, with the progress bar out of the way.
class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    Progress::clear_line();
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }
};

}  // namespace

std::vector<OptionSpec> model_options() {
  return {
      {"threads", OptionKind::value, "N", "threads to compute with (default: the processors there are)"},
      {"dtype", OptionKind::value, "T", "auto, f32, bf16 or int8 (default: auto)"},
      {"max-memory", OptionKind::value, "SIZE", "limit for weights and cache, such as 4G"},
  };
}

std::vector<OptionSpec> log_options() {
  return {
      {"log-level", OptionKind::value, "L", "trace, debug, info, warn, error or off (default: info)"},
      {"help", OptionKind::flag, "", "this text"},
  };
}

void set_up_logging(const Options& options) {
  const std::string level = options.text("log-level").value_or("info");
  bool known = false;
  for (std::string_view each : kLevels) known = known || each == level;
  if (!known) {
    throw usage_error("OPTION_VALUE", "--log-level",
                      fmt::format("expected {}, found '{}'", fmt::join(kLevels, ", "), level));
  }
  auto logger = std::make_shared<spdlog::logger>("attend", std::make_shared<StderrSink>());
  logger->set_pattern("attend: %l: %v");
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

LoadOptions load_options(const Options& options) {
  LoadOptions load;
  load.threads = static_cast<int>(options.integer("threads", 1, kMaxThreads).value_or(0));
  load.dtype = options.text("dtype").value_or("auto");
  if (load.dtype != "auto" && load.dtype != "f32" && load.dtype != "bf16" && load.dtype != "int8") {
    throw usage_error("OPTION_VALUE", "--dtype",
                      "expected auto, f32, bf16 or int8, found '" + load.dtype + "'");
  }
  if (const auto text = options.text("max-memory")) load.max_memory_bytes = parse_bytes("max-memory", *text);
  return load;
}

std::string model_argument(const Options& options) {
  if (options.positional().empty()) {
    throw usage_error("MISSING_MODEL", "MODEL", "a model directory is needed; see --help");
  }
  return options.positional().front();
}

Model load_model(const Options& options, LoadOptions load) {
  const std::string directory = model_argument(options);
  Progress progress("loading");
  load.progress = [&](double fraction) { progress.update(fraction, directory); };
  return Model::load(directory, load);
}

}  // namespace attend::cli
