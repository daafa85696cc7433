#include "tools/cli/model_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cli/output.h"
#include "tools/cli/progress.h"

namespace attend::cli {
namespace {

constexpr int kMaxThreads = 1024;

// One of `values`, the first of which is the default.
std::string choice(const Options& options, const std::string& name, const std::vector<std::string>& values) {
  const std::string value = options.text(name).value_or(values.front());
  if (std::ranges::find(values, value) == values.end()) {
    throw usage_error("OPTION_VALUE", "--" + name,
                      fmt::format("expected one of {}, found '{}'", fmt::join(values, ", "), value));
  }
  return value;
}

}  // namespace

std::vector<OptionSpec> model_options() {
  return {
      {"threads", OptionKind::value, "N", "threads to compute with (default: the processors there are)"},
      {"dtype", OptionKind::value, "T", "auto, f32, bf16 or int8 (default: auto)"},
      {"kv-dtype", OptionKind::value, "T", "of cached keys and values: f32, bf16 or int8 (default: f32)"},
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
  const auto sink = [](std::string_view name, std::string_view message) {
    Progress::clear_line();
    const std::string line = fmt::format("attend: {}: {}\n", name, printable(message));
    std::fwrite(line.data(), 1, line.size(), stderr);
  };
  try {
    set_log(level, sink);
  } catch (const Error& error) {
    throw usage_error("OPTION_VALUE", "--log-level", error.message());
  }
}

LoadOptions load_options(const Options& options) {
  LoadOptions load;
  load.threads = static_cast<int>(options.integer("threads", 1, kMaxThreads).value_or(0));
  load.dtype = choice(options, "dtype", {"auto", "f32", "bf16", "int8"});
  load.kv_dtype = choice(options, "kv-dtype", {"f32", "bf16", "int8"});
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
