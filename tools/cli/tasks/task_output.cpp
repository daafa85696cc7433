#include "tools/cli/tasks/task_output.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace attend::cli {
namespace {

const std::array<const TaskOutput*, 2> kOutputs = {&kTextGenerationOutput, &kTranslationOutput};

// For each generated id the likeliest, best first; "token" and "token_str" as in the fill-mask pipeline.
nlohmann::ordered_json top_logprobs_json(const std::vector<std::vector<TokenLogprob>>& by_id,
                                         const OutputContext& context) {
  nlohmann::ordered_json lists = nlohmann::ordered_json::array();
  for (const std::vector<TokenLogprob>& tokens : by_id) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const TokenLogprob& token : tokens) {
      nlohmann::ordered_json value = {{"token", token.id}};
      if (context.has_tokenizer) value["token_str"] = token.text;
      value["logprob"] = token.logprob;
      list.push_back(std::move(value));
    }
    lists.push_back(std::move(list));
  }
  return lists;
}

// Clocks tell no more than that.
double to_microsecond(double ms) {
  return std::round(ms * 1e3) / 1e3;
}

}  // namespace

const TaskOutput& task_output(std::string_view task) {
  for (const TaskOutput* output : kOutputs) {
    if (output->task == task) return *output;
  }
  return kTaskValueOutput;
}

nlohmann::ordered_json timing_json(const Timing& timing) {
  return {{"queue_ms", to_microsecond(timing.queue_ms)},   {"encode_ms", to_microsecond(timing.encode_ms)},
          {"decode_ms", to_microsecond(timing.decode_ms)}, {"total_ms", to_microsecond(timing.total_ms)},
          {"input_tokens", timing.input_tokens},           {"output_tokens", timing.output_tokens}};
}

void add_generated_fields(nlohmann::ordered_json& value, const GeneratedSequence& sequence,
                          const Timing& timing, const OutputContext& context) {
  value["output_ids"] = sequence.output_ids;
  if (sequence.score) value["score"] = *sequence.score;
  if (!sequence.logprobs.empty()) value["logprobs"] = sequence.logprobs;
  if (!sequence.top_logprobs.empty())
    value["top_logprobs"] = top_logprobs_json(sequence.top_logprobs, context);
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
