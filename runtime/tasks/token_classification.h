// token-classification without a model: from scores of tokens to entities, as transformers'
// TokenClassificationPipeline groups them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/tasks/task_options.h"

namespace attend::tasks {

// A token and the probability of each of its labels.
struct PreEntity {
  std::string word{};
  std::vector<double> scores{};                // [labels]
  std::int32_t index = 0;                      // in the model input
  std::optional<std::int32_t> start{}, end{};  // code points of the text; none without offsets
  bool is_subword = false;                     // continues the word of the token before
};

struct Entity {
  std::string entity{};  // the label; of a group without its B- or I-
  double score = 0;
  std::string word{};
  std::optional<std::int32_t> index{};  // not of groups
  std::optional<std::int32_t> start{}, end{};
};

using TokensToString = std::function<std::string(std::span<const std::string>)>;

// One entity per token (none), or the groups that the strategy makes. `labels` names every score; what is
// empty of input is empty of entities.
std::vector<Entity> aggregate(std::span<const PreEntity> tokens, AggregationStrategy strategy,
                              std::span<const std::string> labels, const TokensToString& to_string);

// Of entities of overlapping windows that cover the same text, the longest, then the surest. All must have
// offsets.
std::vector<Entity> aggregate_overlapping_entities(std::vector<Entity> entities);

// "B-PER" is a beginning of PER; "I-PER", and a label that has neither, a continuation.
std::pair<bool, std::string_view> entity_tag(std::string_view label);

}  // namespace attend::tasks
