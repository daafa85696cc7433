// Tasks: from texts to model inputs, and from what the model computed to results.
//
//   auto task = make_task("text-classification", config, options, tokenizer);
//   TaskPlan plan = task->plan({.text = "A fine film."});      // ids for the model; throws Error
//   TaskValue result = task->finish(plan, outputs);            // {"label": ..., "score": ...}
//
// A task knows no architecture and reads no files. It is immutable and cheap to make: one per request is
// fine. Task names, options and the fields of results are those of Hugging Face's pipelines
// (transformers 5.23; question-answering, which 5.x dropped, is that of 4.57) and of sentence-transformers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"
#include "attend/task.h"
#include "attend/task_value.h"
#include "attend/tensor.h"
#include "attend/tokenizer.h"
#include "runtime/tasks/task_options.h"

namespace attend {

using TaskInput = Input;

// One sequence for the model.
struct ModelInput {
  std::vector<std::int32_t> ids{};
  std::vector<std::int32_t> type_ids{};  // one per id; a model without token types ignores them
  // The positions whose outputs are read, ascending; empty: all of them. Only for outputs that have a row per
  // token: a vocabulary is wide, and fill-mask reads the masks alone.
  std::vector<std::int32_t> rows{};
};

// What the model computed for one ModelInput: f32, in the order of Task::outputs(). A row per token
// ([T, C], or [T] where C is 1) or one row per sequence ([C] or [1, C]).
using ModelOutputs = std::vector<Tensor>;

// What a task asks the model for one input, and what it remembers for finish().
struct TaskPlan {
  TaskInput input{};
  std::vector<ModelInput> inputs{};   // never empty
  std::vector<Encoding> encodings{};  // one per model input; empty when the input was ids
  std::int32_t prompt_tokens = 0;     // sentence embeddings: leading tokens that belong to the prompt
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string_view name() const = 0;
  // The model outputs that finish() reads, as transformers names them ("logits", "start_logits",
  // "last_hidden_state").
  virtual std::span<const std::string_view> outputs() const = 0;
  // Throws Error when this input cannot be answered; other inputs are not concerned.
  virtual TaskPlan plan(const TaskInput& input) const = 0;
  // `outputs` has one entry per plan.inputs, in order; another shape than expected is an Error
  // (MODEL_OUTPUT).
  virtual TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const = 0;
};

// The task of that Hugging Face name or alias ("ner", "sentiment-analysis"). `tokenizer` may be null, then
// only inputs given as ids can be answered; it must outlive the task. Throws Error: TASK_UNKNOWN,
// TASK_UNSUPPORTED (the checkpoint has no head for it; lists what it has), and usage errors for options that
// the task cannot take.
std::unique_ptr<Task> make_task(std::string_view name, std::shared_ptr<const TaskConfig> config,
                                TaskOptions options, const Tokenizer* tokenizer);

// Every task by its first name, in alphabetical order.
std::span<const std::string_view> task_names();

// What a head can do, the default task first, by the ending that transformers gives its classes:
// "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM", "Model". An
// unknown ending gives nothing.
std::span<const std::string_view> tasks_of_head(std::string_view head);

struct TaskResult {
  TaskValue value;             // null when there is an error
  std::optional<Error> error;  // why this input has no value
};

// Runs the model on sequences: one ModelOutputs for each, in order.
using Forward = std::function<std::vector<ModelOutputs>(std::span<const ModelInput>)>;

// Answers every input, in order, with one call of `forward` for all that can be planned. An input that fails
// has its error in its result; what `forward` throws is passed on.
std::vector<TaskResult> run_task(const Task& task, std::span<const TaskInput> inputs, const Forward& forward);

}  // namespace attend
