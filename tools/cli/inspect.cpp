// attend inspect: what a checkpoint is, and that it runs.
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"
#include "attend/tokenizer.h"
#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/model_options.h"
#include "tools/cli/output.h"

namespace attend::cli {
namespace {

Options make_options() {
  Options options("inspect MODEL",
                  "Loads a model directory and tells what it is, how it runs and what it takes.",
                  {"attend inspect opus-mt-en-de", "attend inspect opus-mt-en-de --json --dtype bf16"});
  options.add_group("Output", {{"json", OptionKind::flag, "", "one JSON object on one line"}});
  options.add_group("Model", model_options());
  options.add_group("Other", log_options());
  return options;
}

nlohmann::ordered_json info_json(const Model& model) {
  const ModelInfo& info = model.info();
  nlohmann::ordered_json json = {
      {"architecture", info.architecture},
      {"model_type", info.model_type},
      {"task", info.task},
      {"tasks", info.tasks},
      {"dtype", info.dtype},
      {"instruction_set", info.instruction_set},
      {"threads", info.threads},
      {"parameters", info.parameters},
      {"max_input_tokens", info.max_input_tokens},
      {"vocab_size", info.vocab_size},
      {"weights_bytes", info.weights_bytes},
      {"weights_file_bytes", info.weights_file_bytes},
      {"cache_bytes_per_token", info.cache_bytes_per_token},
      {"load_ms", info.load_ms},
  };
  if (model.tokenizer() != nullptr) json["tokenizer"] = model.tokenizer()->components();
  return json;
}

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::vector<std::pair<std::string, std::string>> info_rows(const Model& model) {
  const ModelInfo& info = model.info();
  const Tokenizer* tokenizer = model.tokenizer();
  return {
      {"architecture", fmt::format("{} ({})", info.architecture, info.model_type)},
      {"tasks", fmt::format("{}", fmt::join(info.tasks, ", "))},
      {"parameters", fmt::format("{:.2f} million", static_cast<double>(info.parameters) / 1e6)},
      {"vocabulary", fmt::format("{} tokens", info.vocab_size)},
      {"longest input",
       info.max_input_tokens > 0 ? fmt::format("{} tokens", info.max_input_tokens) : std::string("no limit")},
      {"tokenizer", tokenizer == nullptr ? "none: only --input-ids can be run"
                                         : fmt::format("{}", fmt::join(tokenizer->components(), " > "))},
      {"computes in", fmt::format("{} on {} thread{}, {}", info.dtype, info.threads,
                                  info.threads == 1 ? "" : "s", info.instruction_set)},
      {"weights", fmt::format("{} in memory, {} on disk", megabytes(info.weights_bytes),
                              megabytes(info.weights_file_bytes))},
      {"cache", fmt::format("{} bytes a token", info.cache_bytes_per_token)},
      {"loads in", fmt::format("{:.0f} ms", info.load_ms)},
  };
}

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  const Model model = load_model(options, load_options(options));
  if (options.flag("json")) {
    write_json(info_json(model));
    return kExitDone;
  }
  for (const auto& [name, value] : info_rows(model)) write_line(fmt::format("{:<15}{}", name, value));
  return kExitDone;
}

}  // namespace

const Command kInspectCommand = {"inspect", "what a model directory holds, and how it would run", run};

}  // namespace attend::cli
