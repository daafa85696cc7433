// text-ranking: how well a document answers a query, by a cross-encoder that reads both, as CrossEncoder of
// sentence-transformers does (predict for a pair, rank for a query and its documents).
#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tasks/scores.h"
#include "runtime/tasks/task_types.h"

namespace attend::tasks {
namespace {

class TextRanking : public Task {
 public:
  explicit TextRanking(TaskContext context) : context_(std::move(context)) {
    result_count(context_.options().top_k, 1, 1);
    const std::string& activation = context_.config().cross_encoder_activation;
    if (!activation.empty()) activation_ = parse_torch_activation(activation);
  }

  std::string_view name() const override { return context_.task(); }
  std::span<const std::string_view> outputs() const override { return kOutputs; }

  TaskPlan plan(const TaskInput& input) const override {
    if (input.ids) {
      context_.refuse_pair(input);
      context_.refuse_candidates(input);
      return context_.ids_plan(input);
    }
    if (input.pair.has_value() == !input.candidates.empty()) {
      throw Error("PAIR_MISSING", "pair",
                  fmt::format("text-ranking takes a query and either one document (the pair) or several "
                              "(candidates), found {}",
                              input.pair ? "both" : "neither"));
    }
    TaskPlan plan{.input = input};
    const auto add = [&](const std::string& document) {
      plan.encodings.push_back(context_.encode(input.text, document, TruncationOption::longest_first));
      plan.inputs.push_back(context_.model_input(plan.encodings.back()));
    };
    if (input.pair) add(*input.pair);
    for (const std::string& document : input.candidates) add(document);
    return plan;
  }

  TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const override {
    if (plan.input.candidates.empty()) return pair_value(scores(sequence_output(outputs, 0).values));
    std::vector<double> ranks;
    for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
      const auto logits = sequence_output(outputs, i).values;
      if (logits.size() != 1) {
        throw Error(
            "RANK_LABELS", "config.json: num_labels",
            fmt::format("ranking documents needs a head with one label, found {}: score pairs one by one",
                        logits.size()));
      }
      ranks.push_back(scores(logits).front());
    }
    TaskValue::Array results;
    for (const std::size_t i :
         top_indices(ranks, result_count(context_.options().top_k, ranks.size(), ranks.size()))) {
      results.push_back(TaskValue::Object{{"corpus_id", static_cast<std::int64_t>(i)},
                                          {"score", ranks[i]},
                                          {"text", plan.input.candidates[i]}});
    }
    return results;
  }

 private:
  static TaskValue pair_value(const std::vector<double>& scores) {
    if (scores.size() == 1) return TaskValue::Object{{"score", scores.front()}};
    return TaskValue::Object{{"scores", TaskValue::Array(scores.begin(), scores.end())}};
  }

  std::vector<double> scores(std::span<const float> logits) const {
    const auto& function = context_.options().function_to_apply;
    if (function == ClassificationFunction::softmax) return softmax(logits);
    EmbeddingActivation activation = activation_.value_or(logits.size() == 1 ? EmbeddingActivation::sigmoid
                                                                             : EmbeddingActivation::identity);
    if (function) {
      activation = *function == ClassificationFunction::sigmoid ? EmbeddingActivation::sigmoid
                                                                : EmbeddingActivation::identity;
    }
    std::vector<double> result(logits.begin(), logits.end());
    for (double& score : result) score = apply_embedding_activation(activation, score);
    return result;
  }

  static constexpr std::array<std::string_view, 1> kOutputs = {"logits"};
  TaskContext context_;
  std::optional<EmbeddingActivation> activation_;
};

}  // namespace

std::unique_ptr<Task> make_text_ranking(TaskContext context) {
  return std::make_unique<TextRanking>(std::move(context));
}

}  // namespace attend::tasks
