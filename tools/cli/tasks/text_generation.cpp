// text-generation: {"generated_text", "output_ids", "score", "timing"}; the text begins with the prompt
#include <fmt/format.h>

#include "tools/cli/tasks/task_output.h"

namespace attend::cli {
namespace {

std::vector<nlohmann::ordered_json> json(const Result& result, const OutputContext& context) {
  std::vector<nlohmann::ordered_json> values;
  for (const GeneratedSequence& sequence : result.sequences) {
    nlohmann::ordered_json value = nlohmann::ordered_json::object();
    if (context.has_tokenizer) value["generated_text"] = result.prompt + sequence.text;
    add_generated_fields(value, sequence, result.timing, context);
    values.push_back(std::move(value));
  }
  return values;
}

std::vector<std::string> text(const Result& result, const OutputContext& context) {
  std::vector<std::string> lines = generated_lines(result, context);
  for (std::string& line : lines) line.insert(0, result.prompt);
  return lines;
}

}  // namespace

const TaskOutput kTextGenerationOutput = {"text-generation", json, text};

}  // namespace attend::cli
