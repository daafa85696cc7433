#include "runtime/tasks/token_classification.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>

#include "runtime/tasks/scores.h"

namespace attend::tasks {
namespace {

std::vector<std::string> words_of(const auto& items) {
  std::vector<std::string> words;
  for (const auto& item : items) words.push_back(item.word);
  return words;
}

// Mean of each label's score over the tokens, NaN left out.
std::vector<double> average_scores(std::span<const PreEntity> tokens) {
  std::vector<double> sum(tokens.front().scores.size(), 0.0);
  std::vector<double> counted(sum.size(), 0.0);
  for (const PreEntity& token : tokens) {
    for (std::size_t i = 0; i < sum.size(); ++i) {
      if (std::isnan(token.scores[i])) continue;
      sum[i] += token.scores[i];
      counted[i] += 1;
    }
  }
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] /= counted[i];
  return sum;
}

// The scores that decide for a word: those of its first token, of its surest, or the average.
std::vector<double> word_scores(std::span<const PreEntity> tokens, AggregationStrategy strategy) {
  if (strategy == AggregationStrategy::average) return average_scores(tokens);
  if (strategy == AggregationStrategy::first) return tokens.front().scores;
  const auto best = [](const PreEntity& token) { return token.scores[argmax(token.scores)]; };
  return std::max_element(tokens.begin(), tokens.end(),
                          [&](const PreEntity& a, const PreEntity& b) { return best(a) < best(b); })
      ->scores;
}

Entity word_entity(std::span<const PreEntity> tokens, AggregationStrategy strategy,
                   std::span<const std::string> labels, const TokensToString& to_string) {
  const std::vector<double> scores = word_scores(tokens, strategy);
  const std::size_t best = argmax(scores);
  return {.entity = labels[best],
          .score = scores[best],
          .word = to_string(words_of(tokens)),
          .start = tokens.front().start,
          .end = tokens.back().end};
}

std::vector<Entity> word_entities(std::span<const PreEntity> tokens, AggregationStrategy strategy,
                                  std::span<const std::string> labels, const TokensToString& to_string) {
  std::vector<Entity> entities;
  for (std::size_t first = 0; first < tokens.size();) {
    std::size_t last = first + 1;
    while (last < tokens.size() && tokens[last].is_subword) ++last;
    entities.push_back(word_entity(tokens.subspan(first, last - first), strategy, labels, to_string));
    first = last;
  }
  return entities;
}

std::vector<Entity> token_entities(std::span<const PreEntity> tokens, std::span<const std::string> labels) {
  std::vector<Entity> entities;
  for (const PreEntity& token : tokens) {
    const std::size_t best = argmax(token.scores);
    entities.push_back({.entity = labels[best],
                        .score = token.scores[best],
                        .word = token.word,
                        .index = token.index,
                        .start = token.start,
                        .end = token.end});
  }
  return entities;
}

Entity group(std::span<const Entity> entities, const TokensToString& to_string) {
  double sum = 0;
  double counted = 0;
  for (const Entity& entity : entities) {
    if (std::isnan(entity.score)) continue;
    sum += entity.score;
    counted += 1;
  }
  const std::string& label = entities.front().entity;
  const std::size_t dash = label.find('-');
  return {.entity = dash == std::string::npos ? label : label.substr(dash + 1),
          .score = sum / counted,
          .word = to_string(words_of(entities)),
          .start = entities.front().start,
          .end = entities.back().end};
}

std::vector<Entity> group_entities(std::span<const Entity> entities, const TokensToString& to_string) {
  std::vector<Entity> groups;
  for (std::size_t first = 0; first < entities.size();) {
    std::size_t last = first + 1;
    while (last < entities.size()) {
      const auto [begins, tag] = entity_tag(entities[last].entity);
      if (begins || tag != entity_tag(entities[last - 1].entity).second) break;
      ++last;
    }
    groups.push_back(group(entities.subspan(first, last - first), to_string));
    first = last;
  }
  return groups;
}

}  // namespace

std::pair<bool, std::string_view> entity_tag(std::string_view label) {
  if (label.starts_with("B-")) return {true, label.substr(2)};
  if (label.starts_with("I-")) return {false, label.substr(2)};
  return {false, label};
}

std::vector<Entity> aggregate(std::span<const PreEntity> tokens, AggregationStrategy strategy,
                              std::span<const std::string> labels, const TokensToString& to_string) {
  if (strategy == AggregationStrategy::none) return token_entities(tokens, labels);
  const std::vector<Entity> entities = strategy == AggregationStrategy::simple
                                           ? token_entities(tokens, labels)
                                           : word_entities(tokens, strategy, labels, to_string);
  return group_entities(entities, to_string);
}

std::vector<Entity> aggregate_overlapping_entities(std::vector<Entity> entities) {
  if (entities.empty()) return entities;
  std::stable_sort(entities.begin(), entities.end(),
                   [](const Entity& a, const Entity& b) { return *a.start < *b.start; });
  std::vector<Entity> kept;
  const Entity* previous = &entities.front();
  for (auto entity = std::next(entities.begin()); entity != entities.end(); ++entity) {
    if (*entity->start >= *previous->end) {
      kept.push_back(*previous);
      previous = &*entity;
      continue;
    }
    const std::int32_t length = *entity->end - *entity->start;
    const std::int32_t previous_length = *previous->end - *previous->start;
    if (length > previous_length || (length == previous_length && entity->score > previous->score)) {
      previous = &*entity;
    }
  }
  kept.push_back(*previous);
  return kept;
}

}  // namespace attend::tasks
