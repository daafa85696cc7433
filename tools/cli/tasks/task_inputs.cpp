#include "tools/cli/tasks/task_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

namespace attend::cli {
namespace {

constexpr std::int32_t kMax = std::numeric_limits<std::int32_t>::max();

std::optional<std::int32_t> optional_int(const Options& options, const char* name, std::int32_t minimum) {
  const auto value = options.integer(name, minimum, kMax);
  return value ? std::optional(static_cast<std::int32_t>(*value)) : std::nullopt;
}

bool toggle(const Options& options, const char* name, bool otherwise) {
  return options.has(name) ? options.flag(name) : otherwise;
}

// "a, b" as {"a", "b"}
std::vector<std::string> split(const std::vector<std::string>& lists) {
  std::vector<std::string> parts;
  for (const std::string& list : lists) {
    for (std::size_t at = 0; at <= list.size();) {
      const std::size_t end = std::min(list.find(',', at), list.size());
      const std::size_t first = std::min(list.find_first_not_of(' ', at), end);
      if (end > first) parts.push_back(list.substr(first, end - first));
      at = end + 1;
    }
  }
  return parts;
}

// One part for all inputs, or one for each.
const std::string& part_for(const std::vector<std::string>& parts, const std::string& option,
                            std::size_t index) {
  if (parts.size() == 1) return parts.front();
  if (index < parts.size()) return parts[index];
  throw usage_error(
      "OPTION_VALUE", option,
      fmt::format("expected one, or one for each input; found {}, and input {}", parts.size(), index + 1));
}

}  // namespace

std::vector<OptionSpec> task_options() {
  return {
      {"pair", OptionKind::list, "TEXT", "the second text of a pair: one for all inputs, or one for each"},
      {"tab-separated", OptionKind::flag, "",
       "inputs are TEXT<TAB>PAIR (questions, ranking and similarity: always)"},
      {"question", OptionKind::list, "Q", "question-answering: inputs are contexts, this asks about them"},
      {"context", OptionKind::list, "C", "question-answering: where to look for the answer"},
      {"sentences", OptionKind::list, "S", "sentence-similarity: what to compare each input with"},
      {"documents", OptionKind::list, "D", "text-ranking: what to rank for each input"},
      {"candidate-labels", OptionKind::list, "A,B", "zero-shot-classification: the labels"},
      {"hypothesis-template", OptionKind::value, "T", "zero-shot-classification: \"This example is {}.\""},
      {"multi-label", OptionKind::toggle, "", "zero-shot-classification: labels do not exclude each other"},
      {"function-to-apply", OptionKind::value, "F", "to scores: default, sigmoid, softmax or none"},
      {"aggregation-strategy", OptionKind::value, "A",
       "token-classification: none, simple, first, average or max"},
      {"ignore-labels", OptionKind::list, "A,B", "token-classification: labels to leave out (default: O)"},
      {"stride", OptionKind::value, "N", "token-classification: tokens that windows of long texts share"},
      {"max-answer-len", OptionKind::value, "N", "question-answering: tokens of an answer (default: 15)"},
      {"max-question-len", OptionKind::value, "N", "question-answering: longer questions are cut"},
      {"max-seq-len", OptionKind::value, "N", "question-answering: tokens of a window"},
      {"doc-stride", OptionKind::value, "N", "question-answering: tokens that windows share"},
      {"handle-impossible-answer", OptionKind::toggle, "", "question-answering: the answer may be none"},
      {"align-to-words", OptionKind::toggle, "", "question-answering: answers of whole words (default)"},
      {"targets", OptionKind::list, "A,B", "fill-mask: only these words"},
      {"prompt", OptionKind::value, "TEXT", "embeddings: put before every text"},
      {"prompt-name", OptionKind::value, "NAME", "embeddings: one of the checkpoint's own prompts"},
      {"normalize-embeddings", OptionKind::toggle, "", "embeddings of length 1"},
      {"truncate-dim", OptionKind::value, "N", "embeddings: keep the first N numbers"},
      {"truncation", OptionKind::value, "T",
       "of inputs longer than the model takes: longest_first, only_first, only_second, do_not_truncate"},
  };
}

TaskOptions parse_task_options(const Options& options) {
  TaskOptions task;
  task.top_k = options.integer("top-k", 0, kMax);
  if (const auto text = options.text("truncation")) task.truncation = parse_truncation(*text);
  task.max_length = optional_int(options, "max-length", 1);
  if (const auto text = options.text("function-to-apply"))
    task.function_to_apply = parse_function_to_apply(*text);
  if (const auto text = options.text("aggregation-strategy"))
    task.aggregation_strategy = parse_aggregation_strategy(*text);
  if (options.has("ignore-labels")) task.ignore_labels = split(options.list("ignore-labels"));
  task.stride = optional_int(options, "stride", 0);
  task.max_seq_len = optional_int(options, "max-seq-len", 1);
  task.doc_stride = optional_int(options, "doc-stride", 0);
  task.max_question_len = optional_int(options, "max-question-len", 1);
  task.max_answer_len = optional_int(options, "max-answer-len", 1).value_or(task.max_answer_len);
  task.handle_impossible_answer = toggle(options, "handle-impossible-answer", task.handle_impossible_answer);
  task.align_to_words = toggle(options, "align-to-words", task.align_to_words);
  task.targets = split(options.list("targets"));
  task.candidate_labels = split(options.list("candidate-labels"));
  if (const auto text = options.text("hypothesis-template")) task.hypothesis_template = *text;
  task.multi_label = toggle(options, "multi-label", task.multi_label);
  task.prompt = options.text("prompt");
  task.prompt_name = options.text("prompt-name").value_or("");
  task.normalize_embeddings = toggle(options, "normalize-embeddings", task.normalize_embeddings);
  task.truncate_dim = options.integer("truncate-dim", 1, kMax);
  return task;
}

InputParts::InputParts(const Options& options, const std::string& task) {
  questions_ = options.list("question");
  const std::vector<std::string> contexts = options.list("context");
  pairs_ = options.list("pair");
  pairs_option_ = "--pair";
  if (!questions_.empty() && !contexts.empty()) {
    texts_ = contexts;
    if (texts_.size() == 1) texts_.resize(questions_.size(), contexts.front());  // several questions about it
  } else if (!contexts.empty()) {
    if (!pairs_.empty())
      throw usage_error("OPTION_VALUE", "--context", "--pair says the same; give one of them");
    pairs_ = contexts;
    pairs_option_ = "--context";
  }
  if (!questions_.empty() && !pairs_.empty())
    throw usage_error("OPTION_VALUE", "--question", "--pair says the same; give one of them");
  candidates_ = options.list("sentences");
  for (std::string& document : options.list("documents")) candidates_.push_back(std::move(document));
  const bool takes_pairs =
      task == "question-answering" || task == "text-ranking" || task == "sentence-similarity";
  splits_at_tab_ = options.flag("tab-separated") || (takes_pairs && pairs_.empty() && questions_.empty());
}

void InputParts::complete(std::size_t index, Input& input) const {
  if (input.ids) return;
  input.candidates = candidates_;
  if (!questions_.empty()) {
    input.pair = std::move(input.text);
    input.text = part_for(questions_, "--question", index);
  } else if (!pairs_.empty()) {
    input.pair = part_for(pairs_, pairs_option_, index);
  } else if (splits_at_tab_) {
    const std::size_t tab = input.text.find('\t');
    if (tab == std::string::npos) return;
    input.pair = input.text.substr(tab + 1);
    input.text.resize(tab);
  }
}

}  // namespace attend::cli
