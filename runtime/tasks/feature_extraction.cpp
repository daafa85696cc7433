// feature-extraction, sentence-embedding and sentence-similarity: what the base model knows of a text.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tasks/task_types.h"
#include "runtime/tasks/unicode.h"

namespace attend::tasks {
namespace {

constexpr std::array<std::string_view, 1> kHiddenStates = {"last_hidden_state"};

// The hidden states themselves, [1, T, D] as the pipeline returns them.
class FeatureExtraction : public Task {
 public:
  explicit FeatureExtraction(TaskContext context) : context_(std::move(context)) {}
  std::string_view name() const override { return context_.task(); }
  std::span<const std::string_view> outputs() const override { return kHiddenStates; }

  TaskPlan plan(const TaskInput& input) const override {
    context_.refuse_pair(input);
    context_.refuse_candidates(input);
    return context_.single_plan(input, TruncationOption::do_not_truncate);
  }

  TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const override {
    const OutputRows hidden = token_output(plan, outputs, 0);
    TaskValue::Array rows;
    rows.reserve(hidden.rows);
    for (std::size_t t = 0; t < hidden.rows; ++t) {
      rows.emplace_back(TaskValue::Vector(hidden.row(t).begin(), hidden.row(t).end()));
    }
    return TaskValue::Array{TaskValue(std::move(rows))};
  }

 private:
  TaskContext context_;
};

// Texts to vectors, for both tasks below.
class Embedder {
 public:
  explicit Embedder(TaskContext context) : context_(std::move(context)) {
    const auto& dimension = context_.options().truncate_dim;
    if (dimension && *dimension < 1) {
      throw usage_error("OPTION_VALUE", "truncate_dim",
                        fmt::format("expected 1 or more, found {}", *dimension));
    }
    context_.limit_tokens(context_.config().sentence_embedding.max_seq_length);
    prompt_ = chosen_prompt();
    if (!prompt_.empty() && context_.tokenizer() != nullptr) prompt_tokens_ = count_prompt();
  }

  const TaskContext& context() const { return context_; }

  TaskPlan start(const TaskInput& input) const {
    return TaskPlan{.input = input, .prompt_tokens = prompt_tokens_};
  }
  void add(TaskPlan& plan, std::string_view text) const {
    plan.encodings.push_back(
        context_.encode(prepared(prompt_ + std::string(text)), {}, TruncationOption::longest_first));
    plan.inputs.push_back(context_.model_input(plan.encodings.back()));
  }

  std::vector<float> embedding(const TaskPlan& plan, std::span<const ModelOutputs> outputs,
                               std::size_t input) const {
    const OutputRows hidden = token_output(plan, outputs, input);
    const auto& options = context_.options();
    std::vector<float> vector = sentence_embedding(hidden.values, static_cast<std::int64_t>(hidden.rows),
                                                   static_cast<std::int64_t>(hidden.columns),
                                                   context_.config().sentence_embedding, plan.prompt_tokens);
    if (options.truncate_dim && static_cast<std::uint64_t>(*options.truncate_dim) < vector.size()) {
      vector.resize(static_cast<std::size_t>(*options.truncate_dim));
    }
    if (options.normalize_embeddings) normalize_embedding(vector);
    return vector;
  }

 private:
  // The prompt given, else the one named, else the checkpoint's default.
  std::string chosen_prompt() const {
    const SentenceEmbeddingConfig& config = context_.config().sentence_embedding;
    if (context_.options().prompt) return *context_.options().prompt;
    const std::string& asked = context_.options().prompt_name;
    const std::string& name = asked.empty() ? config.default_prompt_name : asked;
    if (name.empty()) return {};
    const auto found = config.prompts.find(name);
    if (found != config.prompts.end()) return found->second;
    std::string known;
    for (const auto& [each, text] : config.prompts) known += (known.empty() ? "" : ", ") + each;
    throw usage_error("OPTION_VALUE", "prompt_name",
                      fmt::format("expected a prompt of the checkpoint ({}), found \"{}\"",
                                  known.empty() ? "it has none" : known, name));
  }

  std::string prepared(std::string_view text) const {
    const std::string_view stripped = strip(text);
    return context_.config().sentence_embedding.do_lower_case ? to_lower(stripped) : std::string(stripped);
  }

  // Tokens that stand for the prompt at the head of a text: its own with what is put before them.
  std::int32_t count_prompt() const {
    const Tokenizer& tokenizer = context_.require_tokenizer();
    const Encoding encoding = tokenizer.encode(prepared(prompt_));
    auto count = static_cast<std::int32_t>(encoding.ids.size());
    if (count > 0 && tokenizer.is_special(encoding.ids.back())) --count;
    return count;
  }

  TaskContext context_;
  std::string prompt_;
  std::int32_t prompt_tokens_ = 0;
};

class SentenceEmbedding : public Task {
 public:
  explicit SentenceEmbedding(TaskContext context) : embedder_(std::move(context)) {}
  std::string_view name() const override { return embedder_.context().task(); }
  std::span<const std::string_view> outputs() const override { return kHiddenStates; }

  TaskPlan plan(const TaskInput& input) const override {
    embedder_.context().refuse_pair(input);
    embedder_.context().refuse_candidates(input);
    if (input.ids) return embedder_.context().ids_plan(input);
    TaskPlan plan = embedder_.start(input);
    embedder_.add(plan, input.text);
    return plan;
  }

  TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const override {
    return TaskValue::Object{{"embedding", embedder_.embedding(plan, outputs, 0)}};
  }

 private:
  Embedder embedder_;
};

class SentenceSimilarity : public Task {
 public:
  explicit SentenceSimilarity(TaskContext context) : embedder_(std::move(context)) {}
  std::string_view name() const override { return embedder_.context().task(); }
  std::span<const std::string_view> outputs() const override { return kHiddenStates; }

  TaskPlan plan(const TaskInput& input) const override {
    embedder_.context().refuse_ids(input);
    if (input.pair.has_value() == !input.candidates.empty()) {
      throw Error(
          "PAIR_MISSING", "pair",
          fmt::format("sentence-similarity takes a sentence and either one to compare it with (the pair) or "
                      "several (candidates), found {}",
                      input.pair ? "both" : "neither"));
    }
    TaskPlan plan = embedder_.start(input);
    embedder_.add(plan, input.text);
    if (input.pair) embedder_.add(plan, *input.pair);
    for (const std::string& sentence : input.candidates) embedder_.add(plan, sentence);
    return plan;
  }

  // {"score"} for a pair, else a number per candidate in their order, as the task's service answers.
  TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const override {
    const std::string& function = embedder_.context().config().sentence_embedding.similarity_fn_name;
    const std::vector<float> source = embedder_.embedding(plan, outputs, 0);
    TaskValue::Array scores;
    for (std::size_t i = 1; i < plan.inputs.size(); ++i) {
      scores.emplace_back(embedding_similarity(source, embedder_.embedding(plan, outputs, i), function));
    }
    if (plan.input.pair) return TaskValue::Object{{"score", scores.front()}};
    return scores;
  }

 private:
  Embedder embedder_;
};

}  // namespace

std::unique_ptr<Task> make_feature_extraction(TaskContext context) {
  return std::make_unique<FeatureExtraction>(std::move(context));
}
std::unique_ptr<Task> make_sentence_embedding(TaskContext context) {
  return std::make_unique<SentenceEmbedding>(std::move(context));
}
std::unique_ptr<Task> make_sentence_similarity(TaskContext context) {
  return std::make_unique<SentenceSimilarity>(std::move(context));
}

}  // namespace attend::tasks
