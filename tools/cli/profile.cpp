// attend profile: where the time goes.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/generation_options.h"
#include "tools/cli/inputs.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/model_options.h"
#include "tools/cli/output.h"
#include "tools/cli/peaks.h"
#include "tools/cli/profile_output.h"
#include "tools/cli/tasks/choose_task.h"
#include "tools/cli/tasks/task_inputs.h"

namespace attend::cli {
namespace {

Options make_options() {
  Options options(
      "profile MODEL [INPUT...]",
      "Runs a model on all inputs at once and tells how long each step of each node took. The rows sum\n"
      "to the wall time. Encoder, prefill (prompts) and decode come apart.",
      {"attend profile opus-mt-en-de \"Where is the station?\"",
       "attend profile llama --group layer --max-new-tokens 32 \"Once upon a time\"",
       "attend profile bert --file sentences.txt --trace trace.json   # opens in ui.perfetto.dev"});
  std::vector<OptionSpec> input = input_options();
  input.push_back(
      {"task", OptionKind::value, "NAME", "by its Hugging Face name, where a checkpoint has several"});
  options.add_group("Input", std::move(input));
  options.add_group(
      "Output",
      {{"group", OptionKind::value, "G", "rows by layer, kind (default) or none: every step"},
       {"top", OptionKind::value, "N", "only the N longest rows of each phase; the rest in one row"},
       {"json", OptionKind::flag, "", "one JSON object on one line"},
       {"trace", OptionKind::value, "F", "write every event to F, for Perfetto and Chrome"}});
  options.add_group("Measurement",
                    {{"warm-up", OptionKind::value, "N", "times before, not measured (default: 1)"}});
  options.add_group("Tasks (as the pipelines call them; --top-k and --max-length below serve here as well)",
                    task_options());
  options.add_group("Generation (defaults: the checkpoint's generation_config.json)", generation_options());
  options.add_group("Model", model_options());
  options.add_group("Other", log_options());
  return options;
}

ProfileGrouping read_grouping(const Options& options) {
  const std::string group = options.text("group").value_or("kind");
  if (group == "layer") return ProfileGrouping::layer;
  if (group == "kind") return ProfileGrouping::kind;
  if (group == "none") return ProfileGrouping::none;
  throw usage_error("OPTION_VALUE", "--group", "expected layer, kind or none, found '" + group + "'");
}

// Opens the file before the model runs: a wrong name costs no time.
void check_writable(const std::string& path) {
  const std::ofstream file(path, std::ios::binary);
  if (!file) throw Error("OUTPUT", path, "the trace cannot be written to this file");
}

std::vector<Input> read_inputs(const Options& options, const InputParts& parts) {
  InputSource source(options, 1, parts.texts());
  std::vector<Input> inputs;
  while (std::optional<InputItem> item = source.next()) {
    if (item->error) throw *item->error;
    parts.complete(inputs.size(), item->input);
    inputs.push_back(std::move(item->input));
  }
  return inputs;
}

struct Work {
  const Model& model;
  const std::vector<Input>& inputs;
  std::string task;
  TaskOptions task_options;
  GenerationConfig generation;

  // Runs all at once; throws the first error of a request. Ctrl-C cancels.
  void run() const {
    std::vector<Ticket> tickets;
    tickets.reserve(inputs.size());
    for (const Input& input : inputs) {
      Request request;
      request.input = input;
      request.task = task;
      request.task_options = task_options;
      request.generation = generation;
      tickets.push_back(model.submit(std::move(request)));
    }
    const InterruptScope interrupt([&] {
      for (Ticket& ticket : tickets) ticket.cancel();
    });
    std::optional<Error> error;
    for (Ticket& ticket : tickets) {
      const Result result = ticket.wait();
      if (result.error && !error) error = result.error;
    }
    if (error) throw *error;
  }
};

// Keeps the `most` longest rows of each phase and sums up the others of it.
std::vector<ProfileRow> longest(std::vector<ProfileRow> rows, std::size_t most) {
  std::vector<ProfileRow> kept;
  for (std::size_t begin = 0; begin < rows.size();) {
    const std::string phase = rows[begin].phase;
    std::size_t end = begin;
    while (end < rows.size() && rows[end].phase == phase) ++end;
    std::vector<double> seconds;
    for (std::size_t i = begin; i < end; ++i) seconds.push_back(rows[i].seconds);
    std::ranges::sort(seconds, std::greater<>());
    const double least = phase.empty() || seconds.size() <= most ? 0 : seconds[most - 1];
    ProfileRow rest;
    rest.phase = phase;
    std::size_t others = 0;
    std::size_t taken = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (phase.empty() || (rows[i].seconds >= least && taken < most)) {
        ++taken;
        kept.push_back(std::move(rows[i]));
        continue;
      }
      ++others;
      rest.calls += rows[i].calls;
      rest.rows += rows[i].rows;
      rest.seconds += rows[i].seconds;
      rest.reference = rest.reference || rows[i].reference;
    }
    rest.name = fmt::format("({} others)", others);
    if (others > 0) kept.push_back(std::move(rest));
    begin = end;
  }
  return kept;
}

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  model_argument(options);
  apply_generation_options(options, {});
  const ProfileGrouping grouping = read_grouping(options);
  constexpr std::int64_t kMost = 1'000'000;
  const std::int64_t warm_up = options.integer("warm-up", 0, kMost).value_or(1);
  const std::optional<std::int64_t> top = options.integer("top", 1, kMost);
  const TaskOptions task_options = parse_task_options(options);
  const std::optional<std::string> trace = options.text("trace");
  if (trace) check_writable(*trace);

  const Model model = load_model(options, load_options(options));
  const std::string task = choose_task(options, model.info());
  const std::vector<Input> inputs = read_inputs(options, InputParts(options, task));
  const Work work{model, inputs, task, task_options, apply_generation_options(options, model.generation())};
  for (std::int64_t i = 0; i < warm_up; ++i) work.run();
  model.start_profile({.trace = trace.has_value()});
  work.run();
  const Profile profile = model.stop_profile();

  const MachinePeaks peaks = measure_peaks(model.info().threads);
  std::vector<ProfileRow> rows = profile_rows(profile, grouping, {peaks.gflops * 1e9, peaks.gbs * 1e9});
  if (top) rows = longest(std::move(rows), static_cast<std::size_t>(*top));
  if (trace) write_trace(profile, model.info(), *trace);
  if (options.flag("json")) {
    write_json(profile_json(profile, rows, options.text("group").value_or("kind"), model.info(), peaks));
    return kExitDone;
  }
  for (const std::string& line : profile_table(profile, rows, model.info(), peaks)) write_line(line);
  return kExitDone;
}

}  // namespace

const Command kProfileCommand = {"profile", "where the time goes: every step of every node", run, true};

}  // namespace attend::cli
