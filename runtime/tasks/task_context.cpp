#include "runtime/tasks/task_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace attend::tasks {
namespace {

// The smaller of two limits, where 0 is none.
std::int32_t tighter(std::int32_t a, std::int32_t b) {
  if (a <= 0) return std::max(b, 0);
  return b <= 0 ? a : std::min(a, b);
}

Truncation::Strategy strategy_of(TruncationOption option) {
  switch (option) {
    case TruncationOption::only_first: return Truncation::Strategy::only_first;
    case TruncationOption::only_second: return Truncation::Strategy::only_second;
    default: return Truncation::Strategy::longest_first;
  }
}

const Tensor& output_tensor(std::span<const ModelOutputs> outputs, std::size_t input, std::size_t index) {
  if (input >= outputs.size() || index >= outputs[input].size()) {
    throw internal_error("MODEL_OUTPUT",
                         fmt::format("the model gave no output {} for sequence {}", index, input));
  }
  return outputs[input][index];
}

}  // namespace

TaskContext::TaskContext(std::string_view task, std::shared_ptr<const TaskConfig> config, TaskOptions options,
                         const Tokenizer* tokenizer)
    : task_(task), config_(std::move(config)), options_(std::move(options)), tokenizer_(tokenizer) {
  max_tokens_ = config_->max_input_tokens;
  if (tokenizer_ != nullptr) max_tokens_ = tighter(max_tokens_, tokenizer_->model_max_length().value_or(0));
  if (!options_.max_length) return;
  if (*options_.max_length < 1 || (max_tokens_ > 0 && *options_.max_length > max_tokens_)) {
    throw usage_error(
        "OPTION_VALUE", "max_length",
        fmt::format("expected 1 to {} tokens, found {}",
                    max_tokens_ > 0 ? fmt::to_string(max_tokens_) : "any number of", *options_.max_length));
  }
  max_tokens_ = *options_.max_length;
}

void TaskContext::limit_tokens(std::int32_t max_seq_length) {
  if (max_seq_length > 0 && !options_.max_length)
    max_tokens_ = tighter(config_->max_input_tokens, max_seq_length);
}

const Tokenizer& TaskContext::require_tokenizer() const {
  if (tokenizer_ != nullptr) return *tokenizer_;
  throw Error(
      "TOKENIZER_MISSING", std::string(task_),
      "the model directory has no tokenizer files: expected tokenizer.json or the like; give the input as "
      "ids, or add the files");
}

Encoding TaskContext::encode(std::string_view text, const std::optional<std::string>& pair,
                             TruncationOption truncation) const {
  const Tokenizer& tokenizer = require_tokenizer();
  truncation = options_.truncation.value_or(truncation);
  if (truncation == TruncationOption::only_second && !pair) {
    throw usage_error("OPTION_VALUE", "truncation", "only_second needs a pair of texts, found one text");
  }
  EncodeOptions request;
  request.pair = pair;
  Encoding encoding = tokenizer.encode(text, request);
  if (encoding.ids.empty()) {
    throw Error("EMPTY_INPUT", "text", "the text has no tokens: expected at least one character that counts");
  }
  const auto limit = static_cast<std::size_t>(max_tokens_);
  if (limit == 0 || encoding.ids.size() <= limit) return encoding;
  const std::size_t tokens = encoding.ids.size();
  if (truncation != TruncationOption::do_not_truncate) {
    request.truncation = Truncation{.max_length = max_tokens_, .strategy = strategy_of(truncation)};
    encoding = tokenizer.encode(text, request);
    encoding.overflowing.clear();
    if (encoding.ids.size() <= limit) return encoding;
  }
  throw Error(
      "INPUT_TOO_LONG", "text",
      fmt::format("the input has {} tokens, the model takes {}: shorten it or choose another truncation",
                  tokens, limit));
}

TaskPlan TaskContext::single_plan(const TaskInput& input, TruncationOption truncation) const {
  if (input.ids) return ids_plan(input);
  TaskPlan plan{.input = input};
  plan.encodings.push_back(encode(input.text, input.pair, truncation));
  plan.inputs.push_back(model_input(plan.encodings.front()));
  return plan;
}

TaskPlan TaskContext::ids_plan(const TaskInput& input) const {
  ModelInput sequence{.ids = *input.ids, .type_ids = input.type_ids};
  if (sequence.ids.empty()) throw Error("EMPTY_INPUT", "input_ids", "expected at least one id, found none");
  if (sequence.type_ids.empty()) sequence.type_ids.assign(sequence.ids.size(), 0);
  if (sequence.type_ids.size() != sequence.ids.size()) {
    throw Error(
        "INPUT_IDS", "token_type_ids",
        fmt::format("expected one per id, {}, found {}", sequence.ids.size(), sequence.type_ids.size()));
  }
  const std::int32_t limit = config_->max_input_tokens;
  if (limit > 0 && sequence.ids.size() > static_cast<std::size_t>(limit)) {
    throw Error("INPUT_TOO_LONG", "input_ids",
                fmt::format("the input has {} ids, the model takes {}", sequence.ids.size(), limit));
  }
  TaskPlan plan{.input = input};
  plan.inputs.push_back(std::move(sequence));
  return plan;
}

void TaskContext::refuse_pair(const TaskInput& input) const {
  if (!input.pair) return;
  throw Error("PAIR_UNEXPECTED", "pair", fmt::format("{} takes a single text, found a pair", task_));
}

void TaskContext::refuse_candidates(const TaskInput& input) const {
  if (input.candidates.empty()) return;
  throw Error("CANDIDATES_UNEXPECTED", "candidates",
              fmt::format("{} takes no candidates, found {}", task_, input.candidates.size()));
}

void TaskContext::refuse_ids(const TaskInput& input) const {
  if (!input.ids) return;
  throw Error("INPUT_IDS", "input_ids",
              fmt::format("{} builds several sequences of its own: expected text, found ids", task_));
}

std::string TaskContext::label(std::size_t id, std::size_t count) const {
  const auto& labels = config_->labels;
  if (labels.empty()) return fmt::format("LABEL_{}", id);
  if (labels.size() != count) {
    throw Error(
        "LABEL_COUNT", "config.json: id2label",
        fmt::format("expected a name for each of the model's {} labels, found {}", count, labels.size()));
  }
  return labels[id].empty() ? fmt::format("LABEL_{}", id) : labels[id];
}

ModelInput TaskContext::model_input(const Encoding& encoding) const {
  ModelInput input{.ids = encoding.ids, .type_ids = encoding.type_ids};
  if (input.type_ids.empty() || !require_tokenizer().uses_type_ids())
    input.type_ids.assign(input.ids.size(), 0);
  return input;
}

OutputRows sequence_output(std::span<const ModelOutputs> outputs, std::size_t input, std::size_t index) {
  const Tensor& tensor = output_tensor(outputs, input, index);
  const auto values = tensor.f32();
  const int rank = tensor.shape().rank();
  if (values.empty() || rank < 1 || rank > 2 || (rank == 2 && tensor.shape()[0] != 1)) {
    throw internal_error("MODEL_OUTPUT",
                         fmt::format("expected one row per sequence, found shape {}", tensor.shape().str()));
  }
  return {values, 1, values.size()};
}

OutputRows token_output(const TaskPlan& plan, std::span<const ModelOutputs> outputs, std::size_t input,
                        std::size_t index) {
  const Tensor& tensor = output_tensor(outputs, input, index);
  const ModelInput& sequence = plan.inputs.at(input);
  const std::size_t rows = sequence.rows.empty() ? sequence.ids.size() : sequence.rows.size();
  const auto values = tensor.f32();
  const int rank = tensor.shape().rank();
  if (values.empty() || rank < 1 || rank > 2 || static_cast<std::size_t>(tensor.shape()[0]) != rows) {
    throw internal_error("MODEL_OUTPUT", fmt::format("expected a row for each of {} tokens, found shape {}",
                                                     rows, tensor.shape().str()));
  }
  return {values, rows, values.size() / rows};
}

std::size_t result_count(std::optional<std::int64_t> top_k, std::size_t otherwise, std::size_t available) {
  if (!top_k) return std::min(otherwise, available);
  if (*top_k < 0) {
    throw usage_error("OPTION_VALUE", "top_k", fmt::format("expected 0 (all) or more, found {}", *top_k));
  }
  const auto count = static_cast<std::uint64_t>(*top_k);
  return count == 0 || count > available ? available : static_cast<std::size_t>(count);
}

}  // namespace attend::tasks
