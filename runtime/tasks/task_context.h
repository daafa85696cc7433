// What every task shares: the tokenizer's input side, labels, and checked access to what the model computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/tasks/task.h"

namespace attend::tasks {

// Immutable; copied into every task.
class TaskContext {
 public:
  // Throws usage errors for a max_length that is not positive or more than the model takes.
  TaskContext(std::string_view task, std::shared_ptr<const TaskConfig> config, TaskOptions options,
              const Tokenizer* tokenizer);

  std::string_view task() const { return task_; }
  const TaskConfig& config() const { return *config_; }
  const TaskOptions& options() const { return options_; }
  const Tokenizer* tokenizer() const { return tokenizer_; }
  // The same; TOKENIZER_MISSING when there is none.
  const Tokenizer& require_tokenizer() const;
  // Longest model input in tokens; 0: no limit.
  std::int32_t max_tokens() const { return max_tokens_; }
  // A limit of the checkpoint's own in place of the tokenizer's; 0: none. The option max_length still wins.
  void limit_tokens(std::int32_t max_seq_length);

  // Ids of one text or pair. One that is longer than max_tokens() is cut as the options, else `truncation`,
  // say, or refused (INPUT_TOO_LONG). Nothing to compute at all is EMPTY_INPUT.
  Encoding encode(std::string_view text, const std::optional<std::string>& pair,
                  TruncationOption truncation) const;
  // Its ids, and its types where the tokenizer's class gives them to models.
  ModelInput model_input(const Encoding& encoding) const;
  // The plan for an input that has one encoding, or ids.
  TaskPlan single_plan(const TaskInput& input, TruncationOption truncation) const;
  // The plan for an input given as ids; INPUT_IDS when they cannot be used.
  TaskPlan ids_plan(const TaskInput& input) const;

  // PAIR_UNEXPECTED when the input has a pair, CANDIDATES_UNEXPECTED when it has candidates.
  void refuse_pair(const TaskInput& input) const;
  void refuse_candidates(const TaskInput& input) const;
  // For tasks that need words: INPUT_IDS when the input is ids.
  void refuse_ids(const TaskInput& input) const;

  // id2label, of a head with `count` labels. LABEL_COUNT when the config names another number of them.
  std::string label(std::size_t id, std::size_t count) const;

 private:
  std::string_view task_;
  std::shared_ptr<const TaskConfig> config_;
  TaskOptions options_;
  const Tokenizer* tokenizer_;
  std::int32_t max_tokens_ = 0;
};

// Rows of one model output, C numbers each.
struct OutputRows {
  std::span<const float> values;
  std::size_t rows = 0, columns = 0;
  std::span<const float> row(std::size_t i) const { return values.subspan(i * columns, columns); }
};

// Output `index` of every model input, checked: MODEL_OUTPUT (internal) when the model gave another number of
// outputs or rows than the plan asks for, or no columns.
OutputRows sequence_output(std::span<const ModelOutputs> outputs, std::size_t input, std::size_t index = 0);
OutputRows token_output(const TaskPlan& plan, std::span<const ModelOutputs> outputs, std::size_t input,
                        std::size_t index = 0);

// How many of `available` results `top_k` asks for; 0 asks for all. Negative values are a usage error.
std::size_t result_count(std::optional<std::int64_t> top_k, std::size_t otherwise, std::size_t available);

}  // namespace attend::tasks
