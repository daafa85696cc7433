// translation: {"translation_text", "output_ids", "score", "timing"}
#include "tools/cli/tasks/task_output.h"

namespace attend::cli {
namespace {

std::vector<nlohmann::ordered_json> json(const Result& result, const OutputContext& context) {
  std::vector<nlohmann::ordered_json> values;
  for (const GeneratedSequence& sequence : result.sequences) {
    nlohmann::ordered_json value = nlohmann::ordered_json::object();
    if (context.has_tokenizer) value["translation_text"] = sequence.text;
    add_generated_fields(value, sequence, result.timing, context);
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace

const TaskOutput kTranslationOutput = {"translation", json, generated_lines};

}  // namespace attend::cli
