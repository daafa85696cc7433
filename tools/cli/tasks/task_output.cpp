#include "tools/cli/tasks/task_output.h"

#include <fmt/format.h>

#include <array>

namespace attend::cli {
namespace {

const std::array<const TaskOutput*, 1> kOutputs = {&kTranslationOutput};

}  // namespace

const TaskOutput& task_output(std::string_view task) {
  for (const TaskOutput* output : kOutputs) {
    if (output->task == task) return *output;
  }
  return kTaskValueOutput;
}

nlohmann::ordered_json timing_json(const Timing& timing) {
  return {{"queue_ms", timing.queue_ms},         {"encode_ms", timing.encode_ms},
          {"decode_ms", timing.decode_ms},       {"total_ms", timing.total_ms},
          {"input_tokens", timing.input_tokens}, {"output_tokens", timing.output_tokens}};
}

void add_generated_fields(nlohmann::ordered_json& value, const GeneratedSequence& sequence,
                          const Timing& timing) {
  value["output_ids"] = sequence.output_ids;
  if (sequence.score) value["score"] = *sequence.score;
  if (!sequence.logprobs.empty()) value["logprobs"] = sequence.logprobs;
  value["timing"] = timing_json(timing);
}

std::vector<std::string> generated_lines(const Result& result, const OutputContext& context) {
  std::vector<std::string> lines;
  for (const GeneratedSequence& sequence : result.sequences) {
    lines.push_back(context.has_tokenizer ? sequence.text
                                          : fmt::format("{}", fmt::join(sequence.output_ids, ",")));
  }
  return lines;
}

}  // namespace attend::cli
