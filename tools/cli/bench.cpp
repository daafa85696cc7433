// attend bench: how fast a model runs here.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/generation_options.h"
#include "tools/cli/inputs.h"
#include "tools/cli/model_options.h"
#include "tools/cli/output.h"
#include "tools/cli/peaks.h"
#include "tools/cli/progress.h"
#include "tools/cli/workload.h"

namespace attend::cli {
namespace {

constexpr std::int64_t kDefaultPromptTokens = 32;
constexpr std::int64_t kDefaultRepetitions = 3;
constexpr std::size_t kMostWarmUpInputs = 64;

Options make_options() {
  Options options(
      "bench MODEL [INPUT...]",
      "Measures throughput and latency of a model: inputs from arguments, --file or --input-ids, or\n"
      "--prompt-tokens random ids for each of --batch-size inputs (the default, with 32 tokens).",
      {"attend bench opus-mt-en-de --file sentences.txt --batch-size 32 --num-beams 4",
       "attend bench opus-mt-en-de --prompt-tokens 128 --max-new-tokens 32 --json"});
  std::vector<OptionSpec> input = input_options();
  input.push_back({"prompt-tokens", OptionKind::value, "N", "inputs of N random ids, always the same ones"});
  options.add_group("Input", std::move(input));
  options.add_group(
      "Measurement",
      {{"batch-size", OptionKind::value, "N", "inputs in flight at once (default: 1)"},
       {"repetitions", OptionKind::value, "N", "times over all inputs; medians are shown (default: 3)"},
       {"warm-up", OptionKind::value, "N", "times before, not measured (default: 1)"},
       {"json", OptionKind::flag, "", "the figures as one JSON object on the last line"}});
  options.add_group("Generation (defaults: the checkpoint's generation_config.json)", generation_options());
  options.add_group("Model", model_options());
  options.add_group("Other", log_options());
  return options;
}

struct Settings {
  std::size_t batch_size = 1;
  std::int64_t repetitions = kDefaultRepetitions;
  std::int64_t warm_up = 1;
};

Settings read_settings(const Options& options) {
  constexpr std::int64_t kMost = 1'000'000;
  constexpr std::int64_t kMostAtOnce = 4096;
  Settings settings;
  settings.batch_size = static_cast<std::size_t>(options.integer("batch-size", 1, kMostAtOnce).value_or(1));
  settings.repetitions = options.integer("repetitions", 1, kMost).value_or(kDefaultRepetitions);
  settings.warm_up = options.integer("warm-up", 0, kMost).value_or(1);
  return settings;
}

std::vector<Input> random_inputs(const ModelInfo& info, std::int64_t tokens, std::size_t count) {
  if (info.max_input_tokens > 0 && tokens > info.max_input_tokens) {
    throw usage_error("OPTION_VALUE", "--prompt-tokens",
                      fmt::format("{} takes at most {} tokens, found {}", info.architecture,
                                  info.max_input_tokens, tokens));
  }
  std::mt19937 random(1);  // the same ids in every run
  std::uniform_int_distribution<std::int32_t> id(
      0, static_cast<std::int32_t>(std::max<std::int64_t>(info.vocab_size, 1) - 1));
  std::vector<Input> inputs(count);
  for (Input& input : inputs) {
    input.ids.emplace(static_cast<std::size_t>(tokens));
    for (std::int32_t& each : *input.ids) each = id(random);
  }
  return inputs;
}

// The inputs given, or none when random ones are to be made.
std::vector<Input> given_inputs(const Options& options) {
  std::vector<Input> inputs;
  if (options.positional().size() == 1 && !options.has("file") && !options.has("input-ids")) return inputs;
  if (options.has("prompt-tokens")) {
    throw usage_error("OPTION_VALUE", "--prompt-tokens",
                      "stands in place of other inputs; give one or the other");
  }
  InputSource source(options, 1);
  while (std::optional<InputItem> item = source.next()) {
    if (item->error) throw *item->error;
    inputs.push_back(std::move(item->input));
  }
  return inputs;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The smallest value that at least `fraction` of the sorted values do not exceed.
double percentile(const std::vector<double>& sorted, double fraction) {
  const auto rank = static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

struct Figures {
  Measurement last;
  std::vector<double> seconds;          // of each repetition
  std::vector<double> prefill_seconds;  // of each repetition, with one token generated
  std::vector<double> latencies_ms;     // of all repetitions, sorted
};

Figures measure_all(const Model& model, const std::vector<Input>& inputs, const GenerationConfig& generation,
                    const Settings& settings) {
  GenerationConfig first_token = generation;
  first_token.max_new_tokens = 1;
  first_token.min_new_tokens.reset();
  first_token.min_length = 0;
  first_token.forced_eos_token_id.clear();  // or nothing would have to be computed
  Progress progress("measuring");
  const std::size_t warm_up = std::min(inputs.size(), std::max(kMostWarmUpInputs, settings.batch_size));
  const std::vector<Input> warm_up_inputs(inputs.begin(),
                                          inputs.begin() + static_cast<std::ptrdiff_t>(warm_up));
  for (std::int64_t i = 0; i < settings.warm_up; ++i)
    measure(model, warm_up_inputs, generation, settings.batch_size);
  Figures figures;
  for (std::int64_t i = 0; i < settings.repetitions; ++i) {
    progress.update(static_cast<double>(i) / static_cast<double>(settings.repetitions),
                    fmt::format("repetition {} of {}", i + 1, settings.repetitions));
    figures.prefill_seconds.push_back(measure(model, inputs, first_token, settings.batch_size).seconds);
    figures.last = measure(model, inputs, generation, settings.batch_size);
    figures.seconds.push_back(figures.last.seconds);
    figures.latencies_ms.insert(figures.latencies_ms.end(), figures.last.latencies_ms.begin(),
                                figures.last.latencies_ms.end());
  }
  std::ranges::sort(figures.latencies_ms);
  return figures;
}

nlohmann::ordered_json figures_json(const Model& model, const Figures& figures, const Settings& settings) {
  const ModelInfo& info = model.info();
  const Measurement& last = figures.last;
  const double seconds = median(figures.seconds);
  const double prefill_seconds = median(figures.prefill_seconds);
  const double decode_seconds = seconds - prefill_seconds;
  const auto items = static_cast<double>(last.latencies_ms.size());
  const std::int64_t decoded = last.output_tokens - last.sequences;  // the first ones belong to the prefill
  const std::uint64_t peak_bytes = peak_rss_bytes();  // before measure_peaks takes memory of its own
  const MachinePeaks peaks = measure_peaks(info.threads);
  nlohmann::ordered_json json = {
      {"architecture", info.architecture},
      {"dtype", info.dtype},
      {"kv_dtype", info.kv_dtype},
      {"threads", info.threads},
      {"instruction_set", info.instruction_set},
      {"items", last.latencies_ms.size()},
      {"batch_size", settings.batch_size},
      {"repetitions", settings.repetitions},
      {"input_tokens", last.input_tokens},
      {"output_tokens", last.output_tokens},
      {"wall_ms", seconds * 1e3},
      {"tokens_per_second", static_cast<double>(last.output_tokens) / seconds},
      {"prefill_tokens_per_second", static_cast<double>(last.input_tokens) / prefill_seconds},
      {"decode_tokens_per_second", nullptr},
      {"items_per_second", items / seconds},
      {"latency_mean_ms", mean(figures.latencies_ms)},
      {"latency_p50_ms", percentile(figures.latencies_ms, 0.50)},
      {"latency_p90_ms", percentile(figures.latencies_ms, 0.90)},
      {"latency_p95_ms", percentile(figures.latencies_ms, 0.95)},
      {"latency_p99_ms", percentile(figures.latencies_ms, 0.99)},
      {"latency_max_ms", figures.latencies_ms.back()},
      {"measured_peak_gbs", peaks.gbs},
      {"measured_peak_gflops", peaks.gflops},
      {"load_ms", info.load_ms},
      {"peak_rss_bytes", peak_bytes},
  };
  if (decoded > 0 && decode_seconds > 0) {
    json["decode_tokens_per_second"] = static_cast<double>(decoded) / decode_seconds;
  }
  return json;
}

void write_table(const nlohmann::ordered_json& json) {
  for (const auto& [name, value] : json.items()) {
    const std::string text = value.is_number_float() ? fmt::format("{:.2f}", value.get<double>())
                             : value.is_string()     ? value.get<std::string>()
                             : value.is_null()       ? "-"
                                                     : value.dump();
    write_line(fmt::format("{:<28}{:>14}", name, text));
  }
}

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  model_argument(options);
  apply_generation_options(options, {});
  const Settings settings = read_settings(options);
  constexpr std::int64_t kMostPromptTokens = 1 << 24;
  const std::int64_t prompt =
      options.integer("prompt-tokens", 1, kMostPromptTokens).value_or(kDefaultPromptTokens);
  std::vector<Input> inputs = given_inputs(options);

  LoadOptions load = load_options(options);
  load.max_batch_size = static_cast<int>(settings.batch_size);
  load.share_prefixes = false;  // repetitions would find their prompts computed already
  const Model model = load_model(options, load);
  if (inputs.empty()) inputs = random_inputs(model.info(), prompt, settings.batch_size);
  const GenerationConfig generation = apply_generation_options(options, model.generation());
  const Figures figures = measure_all(model, inputs, generation, settings);
  const nlohmann::ordered_json json = figures_json(model, figures, settings);
  options.flag("json") ? write_json(json) : write_table(json);
  return kExitDone;
}

}  // namespace

const Command kBenchCommand = {"bench", "throughput, latency and memory of a model on this machine", run,
                               true};

}  // namespace attend::cli
