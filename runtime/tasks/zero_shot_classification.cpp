// zero-shot-classification: a model of natural language inference judges, for every candidate label, whether
// the text entails a sentence that holds the label (Yin et al. 2019, arXiv:1909.00161).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tasks/scores.h"
#include "runtime/tasks/task_types.h"

namespace attend::tasks {
namespace {

[[noreturn]] void template_error(std::string_view text, std::string_view found) {
  throw usage_error(
      "OPTION_VALUE", "hypothesis_template",
      fmt::format("expected one {{}} where the label goes (and {{{{ for a brace), found {} in \"{}\"", found,
                  text));
}

// Python's str.format() with one argument: {} or {0} is the label, {{ and }} are braces.
std::string format_hypothesis(std::string_view text, std::string_view label) {
  std::string out;
  int automatic = 0, numbered = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (rest.starts_with("{{") || rest.starts_with("}}")) {
      out += text[i++];
    } else if (rest.starts_with("{}")) {
      ++automatic;
      out += label;
      i += 1;
    } else if (rest.starts_with("{0}")) {
      ++numbered;
      out += label;
      i += 2;
    } else if (text[i] == '{' || text[i] == '}') {
      template_error(text, "a single brace");
    } else {
      out += text[i];
    }
  }
  if (automatic + numbered == 0) template_error(text, "none");
  if (automatic > 1 || (automatic > 0 && numbered > 0)) template_error(text, "several");
  return out;
}

bool names_entailment(std::string_view label) {
  constexpr std::string_view kPrefix = "entail";
  return label.size() >= kPrefix.size() &&
         std::equal(kPrefix.begin(), kPrefix.end(), label.begin(),
                    [](char a, unsigned char b) { return a == std::tolower(b); });
}

class ZeroShotClassification : public Task {
 public:
  explicit ZeroShotClassification(TaskContext context) : context_(std::move(context)) {
    const auto& options = context_.options();
    if (options.candidate_labels.empty()) {
      throw usage_error("OPTION_VALUE", "candidate_labels", "expected at least one label, found none");
    }
    for (const std::string& label : options.candidate_labels) {
      hypotheses_.push_back(format_hypothesis(options.hypothesis_template, label));
    }
    const auto& labels = context_.config().labels;
    const auto found = std::find_if(labels.begin(), labels.end(), names_entailment);
    if (found == labels.end()) {
      throw Error(
          "NO_ENTAILMENT_LABEL", "config.json: id2label",
          fmt::format("zero-shot-classification needs a label whose name begins with \"entail\", found: {}",
                      labels.empty() ? "no names" : fmt::format("{}", fmt::join(labels, ", "))));
    }
    entailment_ = static_cast<std::size_t>(found - labels.begin());
  }

  std::string_view name() const override { return context_.task(); }
  std::span<const std::string_view> outputs() const override { return kOutputs; }

  TaskPlan plan(const TaskInput& input) const override {
    context_.refuse_ids(input);
    context_.refuse_pair(input);
    context_.refuse_candidates(input);
    if (input.text.empty())
      throw Error("EMPTY_INPUT", "text", "expected a text to classify, found an empty one");
    TaskPlan plan{.input = input};
    for (const std::string& hypothesis : hypotheses_) {
      plan.encodings.push_back(context_.encode(input.text, hypothesis, TruncationOption::only_first));
      plan.inputs.push_back(context_.model_input(plan.encodings.back()));
    }
    return plan;
  }

  TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const override {
    const auto& labels = context_.options().candidate_labels;
    const bool independent = context_.options().multi_label || labels.size() == 1;
    std::vector<double> scores;
    std::vector<float> entailment;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto logits = sequence_output(outputs, i).values;
      context_.label(entailment_, logits.size());  // as many names as logits
      entailment.push_back(logits[entailment_]);
      const float contradiction = entailment_ == 0 ? logits.back() : logits.front();
      scores.push_back(softmax(std::array{contradiction, logits[entailment_]})[1]);
    }
    if (!independent) scores = softmax(entailment);
    TaskValue::Array names, values;
    for (const std::size_t i : best_first(scores)) {
      names.emplace_back(labels[i]);
      values.emplace_back(scores[i]);
    }
    return TaskValue::Object{
        {"sequence", plan.input.text}, {"labels", std::move(names)}, {"scores", std::move(values)}};
  }

 private:
  // The pipeline sorts upwards and turns the order round, so that of equals the last comes first.
  static std::vector<std::size_t> best_first(const std::vector<double>& scores) {
    std::vector<double> backwards(scores.rbegin(), scores.rend());
    std::vector<std::size_t> order = top_indices(backwards, backwards.size());
    for (std::size_t& i : order) i = scores.size() - 1 - i;
    return order;
  }

  static constexpr std::array<std::string_view, 1> kOutputs = {"logits"};
  TaskContext context_;
  std::vector<std::string> hypotheses_;  // one per candidate label
  std::size_t entailment_ = 0;
};

}  // namespace

std::unique_ptr<Task> make_zero_shot_classification(TaskContext context) {
  return std::make_unique<ZeroShotClassification>(std::move(context));
}

}  // namespace attend::tasks
