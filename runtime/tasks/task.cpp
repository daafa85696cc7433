#include "runtime/tasks/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <iterator>
#include <utility>

#include "runtime/tasks/task_types.h"

namespace attend {
namespace {

struct TaskEntry {
  std::string_view name;
  std::unique_ptr<Task> (*make)(tasks::TaskContext);
};

constexpr std::array<TaskEntry, 9> kTasks = {{
    {"feature-extraction", tasks::make_feature_extraction},
    {"fill-mask", tasks::make_fill_mask},
    {"question-answering", tasks::make_question_answering},
    {"sentence-embedding", tasks::make_sentence_embedding},
    {"sentence-similarity", tasks::make_sentence_similarity},
    {"text-classification", tasks::make_text_classification},
    {"text-ranking", tasks::make_text_ranking},
    {"token-classification", tasks::make_token_classification},
    {"zero-shot-classification", tasks::make_zero_shot_classification},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kAliases = {{
    {"ner", "token-classification"},
    {"sentiment-analysis", "text-classification"},
    {"sentence-embeddings", "sentence-embedding"},
    {"rerank", "text-ranking"},
    {"reranking", "text-ranking"},
}};

constexpr auto kNames = [] {
  std::array<std::string_view, kTasks.size()> names;
  for (std::size_t i = 0; i < kTasks.size(); ++i) names[i] = kTasks[i].name;
  return names;
}();

constexpr std::array<std::string_view, 3> kSequenceTasks = {"text-classification", "text-ranking",
                                                            "zero-shot-classification"};
constexpr std::array<std::string_view, 1> kTokenTasks = {"token-classification"};
constexpr std::array<std::string_view, 1> kQuestionTasks = {"question-answering"};
constexpr std::array<std::string_view, 1> kMaskTasks = {"fill-mask"};
constexpr std::array<std::string_view, 3> kBaseTasks = {"feature-extraction", "sentence-embedding",
                                                        "sentence-similarity"};

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

template <class Value, std::size_t n>
Value parse_option(std::string_view option, std::string_view text,
                   const std::array<std::pair<std::string_view, Value>, n>& values) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string known;
  for (const auto& [name, value] : values) {
    if (name == lower) return value;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw usage_error("OPTION_VALUE", std::string(option),
                    fmt::format("expected one of {}; found \"{}\"", known, text));
}

}  // namespace

std::span<const std::string_view> task_names() {
  return kNames;
}

std::string_view canonical_task_name(std::string_view name) {
  for (const auto& [alias, canonical] : kAliases) {
    if (alias == name) return canonical;
  }
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found != kNames.end()) return *found;
  throw usage_error("TASK_UNKNOWN", "task",
                    fmt::format("expected one of {}; found \"{}\"", joined(kNames), name));
}

std::span<const std::string_view> tasks_of_head(std::string_view head) {
  if (head == "ForSequenceClassification") return kSequenceTasks;
  if (head == "ForTokenClassification") return kTokenTasks;
  if (head == "ForQuestionAnswering") return kQuestionTasks;
  if (head == "ForMaskedLM") return kMaskTasks;
  if (head == "Model") return kBaseTasks;
  return {};
}

std::unique_ptr<Task> make_task(std::string_view name, std::shared_ptr<const TaskConfig> config,
                                TaskOptions options, const Tokenizer* tokenizer) {
  const std::string_view task = canonical_task_name(name);
  if (config == nullptr) throw internal_error("make_task", "expected a TaskConfig, found none");
  const auto has = [&](const std::string& owned) { return owned == task || owned == name; };
  if (std::none_of(config->tasks.begin(), config->tasks.end(), has)) {
    const std::vector<std::string_view> owned(config->tasks.begin(), config->tasks.end());
    throw Error("TASK_UNSUPPORTED", std::string(task),
                fmt::format("this checkpoint has no head for {}; it can do: {}", task,
                            owned.empty() ? "none of the tasks" : joined(owned)));
  }
  const auto entry =
      std::find_if(kTasks.begin(), kTasks.end(), [&](const TaskEntry& e) { return e.name == task; });
  return entry->make(tasks::TaskContext(task, std::move(config), std::move(options), tokenizer));
}

std::vector<TaskResult> run_task(const Task& task, std::span<const TaskInput> inputs,
                                 const Forward& forward) {
  std::vector<TaskResult> results(inputs.size());
  std::vector<std::optional<TaskPlan>> plans(inputs.size());
  std::vector<ModelInput> sequences;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    try {
      plans[i] = task.plan(inputs[i]);
      sequences.insert(sequences.end(), plans[i]->inputs.begin(), plans[i]->inputs.end());
    } catch (const Error& error) {
      results[i].error = error;
    }
  }
  if (sequences.empty()) return results;
  const std::vector<ModelOutputs> outputs = forward(sequences);
  if (outputs.size() != sequences.size()) {
    throw internal_error("MODEL_OUTPUT", fmt::format("expected outputs for {} sequences, found {}",
                                                     sequences.size(), outputs.size()));
  }
  std::size_t first = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!plans[i]) continue;
    const std::size_t count = plans[i]->inputs.size();
    try {
      results[i].value = task.finish(*plans[i], std::span(outputs).subspan(first, count));
    } catch (const Error& error) {
      results[i].error = error;
    }
    first += count;
  }
  return results;
}

std::optional<ClassificationFunction> parse_function_to_apply(std::string_view name) {
  using Function = std::optional<ClassificationFunction>;
  constexpr std::array<std::pair<std::string_view, Function>, 4> kValues = {{
      {"default", std::nullopt},
      {"sigmoid", ClassificationFunction::sigmoid},
      {"softmax", ClassificationFunction::softmax},
      {"none", ClassificationFunction::none},
  }};
  return parse_option("function_to_apply", name, kValues);
}

AggregationStrategy parse_aggregation_strategy(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, AggregationStrategy>, 5> kValues = {{
      {"none", AggregationStrategy::none},
      {"simple", AggregationStrategy::simple},
      {"first", AggregationStrategy::first},
      {"average", AggregationStrategy::average},
      {"max", AggregationStrategy::max},
  }};
  return parse_option("aggregation_strategy", name, kValues);
}

TruncationOption parse_truncation(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, TruncationOption>, 6> kValues = {{
      {"do_not_truncate", TruncationOption::do_not_truncate},
      {"longest_first", TruncationOption::longest_first},
      {"only_first", TruncationOption::only_first},
      {"only_second", TruncationOption::only_second},
      {"true", TruncationOption::longest_first},
      {"false", TruncationOption::do_not_truncate},
  }};
  return parse_option("truncation", name, kValues);
}

}  // namespace attend
