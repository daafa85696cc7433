// How the results of a task are written: the field names are those of the Hugging Face pipeline of that task.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "attend/attend.h"

namespace attend::cli {

struct OutputContext {
  bool has_tokenizer = true;  // without one, fields that are text are left out
};

struct TaskOutput {
  std::string_view task;
  // One value per result of an input; several become an array.
  std::vector<nlohmann::ordered_json> (*json)(const Result& result, const OutputContext& context);
  // Lines for people; the first is the answer.
  std::vector<std::string> (*text)(const Result& result, const OutputContext& context);
};

extern const TaskOutput kTextGenerationOutput;
extern const TaskOutput kTranslationOutput;
// Of --score, whatever the task.
extern const TaskOutput kTextScoreOutput;
// Of every task whose result is a value.
extern const TaskOutput kTaskValueOutput;

// The output of a task; one that generates no text has its value written.
const TaskOutput& task_output(std::string_view task);

// {"queue_ms", "encode_ms", ...}
nlohmann::ordered_json timing_json(const Timing& timing);
// What every generated sequence carries besides its text: output_ids, score, logprobs, timing.
void add_generated_fields(nlohmann::ordered_json& value, const GeneratedSequence& sequence,
                          const Timing& timing, const OutputContext& context);
// A line for each sequence: its text, or its ids without a tokenizer.
std::vector<std::string> generated_lines(const Result& result, const OutputContext& context);

}  // namespace attend::cli
