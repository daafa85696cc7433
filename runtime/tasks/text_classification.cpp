// text-classification: one label, or the best of them, for a text or a pair of texts.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tasks/scores.h"
#include "runtime/tasks/task_types.h"

namespace attend::tasks {
namespace {

// What the pipeline applies when its caller does not say.
ClassificationFunction default_function(const TaskConfig& config, std::size_t labels) {
  if (config.problem_type == "regression") return ClassificationFunction::none;
  if (config.problem_type == "multi_label_classification" || labels == 1)
    return ClassificationFunction::sigmoid;
  return ClassificationFunction::softmax;
}

std::vector<double> scores_of(ClassificationFunction function, std::span<const float> logits) {
  if (function == ClassificationFunction::softmax) return softmax(logits);
  std::vector<double> scores(logits.begin(), logits.end());
  if (function == ClassificationFunction::sigmoid) {
    for (double& score : scores) score = sigmoid(score);
  }
  return scores;
}

class TextClassification : public Task {
 public:
  explicit TextClassification(TaskContext context) : context_(std::move(context)) {
    result_count(context_.options().top_k, 1, 1);  // refuses what is not a count before any work
  }

  std::string_view name() const override { return context_.task(); }
  std::span<const std::string_view> outputs() const override { return kOutputs; }

  TaskPlan plan(const TaskInput& input) const override {
    context_.refuse_candidates(input);
    return context_.single_plan(input, TruncationOption::do_not_truncate);
  }

  TaskValue finish(const TaskPlan&, std::span<const ModelOutputs> outputs) const override {
    const auto logits = sequence_output(outputs, 0).values;
    const auto& options = context_.options();
    const auto function =
        options.function_to_apply.value_or(default_function(context_.config(), logits.size()));
    const std::vector<double> scores = scores_of(function, logits);
    TaskValue::Array results;
    for (const std::size_t i : top_indices(scores, result_count(options.top_k, 1, scores.size()))) {
      results.push_back(TaskValue::Object{{"label", context_.label(i, scores.size())}, {"score", scores[i]}});
    }
    if (!options.top_k) return results.front();
    return results;
  }

 private:
  static constexpr std::array<std::string_view, 1> kOutputs = {"logits"};
  TaskContext context_;
};

}  // namespace

std::unique_ptr<Task> make_text_classification(TaskContext context) {
  return std::make_unique<TextClassification>(std::move(context));
}

}  // namespace attend::tasks
