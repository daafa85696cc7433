#include "runtime/generation/warpers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

namespace attend {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void collect_at_least(std::span<const float> scores, float threshold, std::vector<ScoredToken>& kept) {
  kept.clear();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] >= threshold && scores[i] > -kInfinity) {
      kept.push_back({scores[i], static_cast<std::int32_t>(i)});
    }
  }
}

void sort_by_token(std::vector<ScoredToken>& kept) {
  std::sort(kept.begin(), kept.end(),
            [](const ScoredToken& a, const ScoredToken& b) { return a.token < b.token; });
}

float max_score(std::span<const ScoredToken> tokens) {
  float max = -kInfinity;
  for (const ScoredToken& token : tokens) max = std::max(max, token.score);
  return max;
}

double mass(std::span<const ScoredToken> tokens, float max) {
  double sum = 0.0;
  for (const ScoredToken& token : tokens) sum += std::exp(double{token.score} - max);
  return sum;
}

// A score such that the tokens at least as good have the probability top_p, and are at least `min_count`, but
// are not many more than needed. `norm` is that of the scores.
float nucleus_threshold(std::span<const float> scores, const LogSumExp& norm, double top_p,
                        std::size_t min_count, std::vector<ScoredToken>& best) {
  // The margin covers rounding, so that the tokens are never too few.
  const double wanted = (top_p + 1e-6) * std::exp(double{norm.log_sum});
  const std::size_t few = std::max<std::size_t>(256, min_count);
  top_k(scores, static_cast<std::int32_t>(std::min(few, scores.size())), 0.0f, best);
  if (mass(best, norm.max) >= wanted) return best.back().score;
  // A flat distribution: a histogram of how far scores lie below the best shows how far down to go.
  constexpr std::size_t kBins = 1024;
  constexpr float kBinsPerUnit = 32.0f;
  std::array<double, kBins> bins{};
  for (const float score : scores) {
    const float distance = norm.max - score;
    const auto bin = static_cast<std::size_t>(std::min(distance * kBinsPerUnit, static_cast<float>(kBins)));
    if (bin < kBins) bins[bin] += std::exp(-distance);
  }
  double reached = 0.0;
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    reached += bins[bin];
    // One bin more, for scores whose bin was rounded up.
    if (reached >= wanted) return norm.max - static_cast<float>(bin + 2) / kBinsPerUnit;
  }
  return -kInfinity;
}

void keep_top_p(double top_p, double total, std::size_t min_count, std::vector<ScoredToken>& kept) {
  std::sort(kept.begin(), kept.end());
  const float max = kept.empty() ? 0.0f : kept.front().score;
  double before = 0.0;
  std::size_t count = 0;
  while (count < kept.size() && (count < min_count || before < top_p * total)) {
    before += std::exp(double{kept[count].score} - max);
    ++count;
  }
  kept.resize(count);
  sort_by_token(kept);
}

void keep_min_p(double min_p, std::size_t min_count, std::vector<ScoredToken>& kept) {
  const float max = max_score(kept);
  thread_local std::vector<ScoredToken> best;
  best.resize(std::min(min_count, kept.size()));
  std::partial_sort_copy(kept.begin(), kept.end(), best.begin(), best.end());
  std::erase_if(kept, [&](const ScoredToken& token) {
    const bool likely = std::exp(double{token.score} - max) >= min_p;
    return !likely && std::find(best.begin(), best.end(), token) == best.end();
  });
}

void keep_typical(double typical_p, std::size_t min_count, std::vector<ScoredToken>& kept) {
  const float max = max_score(kept);
  const double total = mass(kept, max);
  const double log_total = std::log(total);
  const auto log_prob = [&](const ScoredToken& token) { return double{token.score} - max - log_total; };
  double entropy = 0.0;
  for (const ScoredToken& token : kept) entropy -= log_prob(token) * std::exp(log_prob(token));
  struct Entry {
    float distance;
    ScoredToken token;
  };
  thread_local std::vector<Entry> entries;
  entries.clear();
  for (const ScoredToken& token : kept) {
    entries.push_back({static_cast<float>(std::abs(-log_prob(token) - entropy)), token});
  }
  // `kept` is in the order of tokens.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.distance, a.token.token) < std::pair(b.distance, b.token.token);
  });
  double reached = 0.0;
  std::size_t last = 0;
  for (; last + 1 < entries.size(); ++last) {
    reached += std::exp(log_prob(entries[last].token));
    if (reached >= typical_p) break;
  }
  const float farthest = entries.empty() ? 0.0f : entries[last].distance;
  kept.clear();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i < min_count || entries[i].distance <= farthest) kept.push_back(entries[i].token);
  }
  sort_by_token(kept);
}

}  // namespace

void warp(const GenerationConfig& config, std::size_t min_tokens_to_keep, std::span<float> scores,
          std::vector<ScoredToken>& kept) {
  if (config.temperature != 1.0) {
    const float temperature = static_cast<float>(config.temperature);
    for (float& x : scores) x /= temperature;
  }
  const bool nucleus = config.top_p < 1.0;
  if (config.top_k > 0) {
    const std::size_t k = std::max(static_cast<std::size_t>(config.top_k), min_tokens_to_keep);
    top_k(scores, static_cast<std::int32_t>(std::min(k, scores.size())), 0.0f, kept);
    const float threshold = kept.back().score;
    collect_at_least(scores, threshold, kept);
    if (nucleus) keep_top_p(config.top_p, mass(kept, max_score(kept)), min_tokens_to_keep, kept);
  } else if (nucleus) {
    const LogSumExp norm = log_sum_exp(scores);
    const float threshold = nucleus_threshold(scores, norm, config.top_p, min_tokens_to_keep, kept);
    collect_at_least(scores, threshold, kept);
    keep_top_p(config.top_p, std::exp(double{norm.log_sum}), min_tokens_to_keep, kept);
  } else {
    collect_at_least(scores, -kInfinity, kept);
  }
  if (config.min_p) keep_min_p(*config.min_p, min_tokens_to_keep, kept);
  if (config.typical_p < 1.0) keep_typical(config.typical_p, min_tokens_to_keep, kept);
}

}  // namespace attend
