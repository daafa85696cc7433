// attend run: what the checkpoint is for.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "attend/attend.h"
#include "tools/cli/command.h"
#include "tools/cli/dump.h"
#include "tools/cli/errors.h"
#include "tools/cli/generation_options.h"
#include "tools/cli/head_scales.h"
#include "tools/cli/inputs.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/model_options.h"
#include "tools/cli/ordered_run.h"
#include "tools/cli/output.h"
#include "tools/cli/progress.h"
#include "tools/cli/tasks/choose_task.h"
#include "tools/cli/tasks/task_inputs.h"
#include "tools/cli/tasks/task_output.h"

namespace attend::cli {
namespace {

Options make_options() {
  Options options(
      "run MODEL [INPUT...]",
      "Runs a Hugging Face model directory on each input: arguments, lines of --file, or lines of\n"
      "standard input. Results come in the order of the inputs, one a line.",
      {"attend run opus-mt-en-de \"Where is the station?\"",
       "attend run opus-mt-en-de --file sentences.txt --num-beams 4 > translated.txt",
       "attend run opus-mt-en-de --json --num-beams 4 --num-return-sequences 3 \"Good morning.\"",
       "attend run opus-mt-en-de --input-ids 100,23,0 --dump values",
       "attend run llama-3 --score \"The station is where it was.\""});
  std::vector<OptionSpec> input = input_options();
  input.push_back(
      {"task", OptionKind::value, "NAME", "by its Hugging Face name, where a checkpoint has several"});
  options.add_group("Input", std::move(input));
  std::vector<OptionSpec> output = dump_options();
  output.insert(output.begin(), {"json", OptionKind::flag, "", "one JSON value a line for each input"});
  output.push_back({"score", OptionKind::flag, "",
                    "nothing is generated: how likely the input itself is (log-probabilities, perplexity)"});
  options.add_group("Output", std::move(output));
  options.add_group("Tasks (as the pipelines call them; --top-k and --max-length below serve here as well)",
                    task_options());
  options.add_group("Inside", head_scale_options());
  options.add_group("Generation (defaults: the checkpoint's generation_config.json)", generation_options());
  options.add_group("Model", model_options());
  options.add_group("Other", log_options());
  return options;
}

// Writes results as they come and keeps count.
class Writer {
 public:
  Writer(const TaskOutput& task, OutputContext context, bool json, const InputSource& inputs)
      : task_(task), context_(context), json_(json), inputs_(inputs), progress_("running") {}

  void write(std::size_t index, const InputItem& item, const Result& result) {
    if (result.error) {
      write_error(index, item, *result.error);
    } else if (json_) {
      std::vector<nlohmann::ordered_json> values = task_.json(result, context_);
      write_json(values.size() == 1 ? std::move(values.front()) : nlohmann::ordered_json(std::move(values)));
    } else {
      for (const std::string& line : task_.text(result, context_)) write_line(line);
    }
    bytes_ += item.bytes;
    const double fraction = inputs_.file_bytes() > 0
                                ? static_cast<double>(bytes_) / static_cast<double>(inputs_.file_bytes())
                                : static_cast<double>(index + 1) / static_cast<double>(inputs_.arguments());
    progress_.update(inputs_.file_bytes() + inputs_.arguments() > 0 ? fraction : -1,
                     fmt::format("{} done", index + 1));
  }

  int exit_code() const { return exit_code_; }

 private:
  void write_error(std::size_t index, const InputItem& item, const Error& error) {
    exit_code_ = std::max(exit_code_, cli::exit_code(error));
    if (json_) {
      write_json(error_json(error));
      return;
    }
    print_input_error(index, error);
    if (!item.error) write_line("");  // keeps the lines of the output beside those of the input
  }

  const TaskOutput& task_;
  OutputContext context_;
  bool json_;
  const InputSource& inputs_;
  Progress progress_;
  std::uint64_t bytes_ = 0;
  int exit_code_ = kExitDone;
};

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  model_argument(options);
  apply_generation_options(options, {});  // wrong options are reported before the model is loaded
  const std::vector<HeadScale> head_scales = parse_head_scales(options);
  const TaskOptions task_options = parse_task_options(options);
  InputSource inputs(options, 1, InputParts(options, "").texts());
  const std::unique_ptr<Dump> dump = Dump::from(options, options.has("dump") && inputs.several());

  const Model model = load_model(options, load_options(options));
  const std::string task = choose_task(options, model.info());
  model.check_head_scales(head_scales);
  const InputParts parts(options, task);
  const GenerationConfig generation = apply_generation_options(options, model.generation());
  const bool score = options.flag("score");
  Writer writer(score ? kTextScoreOutput : task_output(task), {.has_tokenizer = model.tokenizer() != nullptr},
                options.flag("json"), inputs);
  OrderedRun work;
  work.make_request = [&](std::size_t index, Input input) {
    Request request;
    request.input = std::move(input);
    parts.complete(index, request.input);
    request.task = task;
    request.task_options = task_options;
    request.generation = generation;
    request.head_scales = head_scales;
    request.score = score;
    if (dump) request.on_node = dump->recorder(index);
    return request;
  };
  work.consume = [&](std::size_t index, const InputItem& item, const Result& result) {
    writer.write(index, item, result);
  };
  run_in_order(model, inputs, work);
  if (interrupted()) return kExitInterrupted;
  if (dump && writer.exit_code() == kExitDone) dump->finish();
  return writer.exit_code();
}

}  // namespace

const Command kRunCommand = {"run", "run a model on text: translate, and what else the checkpoint is for",
                             run, true};

}  // namespace attend::cli
