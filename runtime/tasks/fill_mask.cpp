// fill-mask: the words that a masked language model puts in place of each mask.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "engine/log.h"
#include "runtime/tasks/scores.h"
#include "runtime/tasks/task_types.h"

namespace attend::tasks {
namespace {

constexpr std::size_t kDefaultTopK = 5;

class FillMask : public Task {
 public:
  explicit FillMask(TaskContext context) : context_(std::move(context)) {
    result_count(context_.options().top_k, 1, 1);
    if (context_.tokenizer() != nullptr) special_ = context_.tokenizer()->special_token_ids();
    if (!context_.options().targets.empty()) find_targets();
  }

  std::string_view name() const override { return context_.task(); }
  std::span<const std::string_view> outputs() const override { return kOutputs; }

  TaskPlan plan(const TaskInput& input) const override {
    context_.refuse_pair(input);
    context_.refuse_candidates(input);
    if (!input.ids && context_.tokenizer() != nullptr && !special_.mask) {
      throw Error("NO_MASK_TOKEN", "tokenizer_config.json: mask_token",
                  "fill-mask needs a tokenizer with a mask token, found none");
    }
    TaskPlan plan = context_.single_plan(input, TruncationOption::do_not_truncate);
    ModelInput& sequence = plan.inputs.front();
    for (std::size_t i = 0; i < sequence.ids.size(); ++i) {
      if (special_.mask && sequence.ids[i] == *special_.mask)
        sequence.rows.push_back(static_cast<std::int32_t>(i));
    }
    // Ids without a mask have no fillings, and that is their answer; a text without one is a mistake.
    if (sequence.rows.empty() && !input.ids) {
      throw Error("NO_MASK", "text",
                  fmt::format("expected the mask token {} in the text, found none",
                              context_.tokenizer()->id_to_token(*special_.mask).value_or("")));
    }
    return plan;
  }

  TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const override {
    const std::size_t masks = plan.inputs.front().rows.size();
    if (masks == 0) return TaskValue::Array{};
    const OutputRows logits = token_output(plan, outputs, 0);
    TaskValue::Array results;
    for (std::size_t mask = 0; mask < masks; ++mask)
      results.push_back(fillings(plan, mask, logits.row(mask)));
    if (masks == 1) return std::move(results.front());
    return results;
  }

 private:
  // A word that is not in the vocabulary stands for its first token, as in the pipeline.
  void find_targets() {
    const Tokenizer& tokenizer = context_.require_tokenizer();
    EncodeOptions options;
    options.add_special_tokens = false;
    for (const std::string& target : context_.options().targets) {
      auto id = tokenizer.token_to_id(target);
      if (!id) {
        const Encoding encoding = tokenizer.encode(target, options);
        if (encoding.ids.empty()) {
          logger().warn("fill-mask: the target \"{}\" has no tokens and is left out", target);
          continue;
        }
        id = encoding.ids.front();
        logger().warn("fill-mask: the target \"{}\" is not in the vocabulary, \"{}\" takes its place", target,
                      tokenizer.id_to_token(*id).value_or(""));
      }
      targets_.push_back(*id);
    }
    if (targets_.empty()) {
      throw usage_error("OPTION_VALUE", "targets", "expected at least one word that has a token, found none");
    }
    std::sort(targets_.begin(), targets_.end());
    targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
  }

  TaskValue fillings(const TaskPlan& plan, std::size_t mask, std::span<const float> logits) const {
    const std::vector<double> scores = softmax(logits);
    std::vector<std::int32_t> ids = targets_;
    std::vector<double> candidates;
    if (targets_.empty()) {
      candidates = scores;
    } else {
      for (const std::int32_t id : targets_) {
        if (id < 0 || static_cast<std::size_t>(id) >= scores.size()) {
          throw Error(
              "TOKEN_ID_RANGE", "targets",
              fmt::format("the target's id {} is outside the model's vocabulary of {}", id, scores.size()));
        }
        candidates.push_back(scores[static_cast<std::size_t>(id)]);
      }
    }
    TaskValue::Array row;
    const std::size_t count = result_count(context_.options().top_k, kDefaultTopK, candidates.size());
    for (const std::size_t i : top_indices(candidates, count)) {
      row.push_back(filling(plan, mask, candidates[i], ids.empty() ? static_cast<std::int32_t>(i) : ids[i]));
    }
    return row;
  }

  TaskValue filling(const TaskPlan& plan, std::size_t mask, double score, std::int32_t token) const {
    TaskValue::Object value{{"score", score}, {"token", token}};
    const Tokenizer* tokenizer = context_.tokenizer();
    if (tokenizer == nullptr) return value;
    const ModelInput& sequence = plan.inputs.front();
    std::vector<std::int32_t> ids = sequence.ids;
    const auto position = ids.begin() + sequence.rows[mask];
    // A vocabulary may be padded with ids that no token has; they are written as nothing.
    const bool known = tokenizer->id_to_token(token).has_value();
    if (known) {
      *position = token;
    } else {
      ids.erase(position);
    }
    if (special_.pad) std::erase(ids, *special_.pad);
    // Special tokens are dropped for reading, but not the other masks.
    const bool skip_special_tokens = sequence.rows.size() == 1;
    value.push_back({"token_str", known ? tokenizer->decode(std::array{token}, false) : std::string()});
    value.push_back({"sequence", tokenizer->decode(ids, skip_special_tokens)});
    return value;
  }

  static constexpr std::array<std::string_view, 1> kOutputs = {"logits"};
  TaskContext context_;
  SpecialTokenIds special_;
  std::vector<std::int32_t> targets_;  // ascending; empty: the whole vocabulary
};

}  // namespace

std::unique_ptr<Task> make_fill_mask(TaskContext context) {
  return std::make_unique<FillMask>(std::move(context));
}

}  // namespace attend::tasks
