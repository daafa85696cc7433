#include "runtime/generation/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "runtime/generation/step_errors.h"
#include "runtime/generation/warpers.h"

namespace attend {

Sampler::Sampler(const GenerationConfig& config, LogitsRules rules, std::uint32_t request)
    : config_(config), rules_(std::move(rules)), request_(request) {}

ChosenToken Sampler::choose(std::span<const float> logits, std::span<const std::int32_t> input_ids,
                            std::uint32_t sequence, SamplerScratch& scratch) const {
  ChosenToken chosen;
  if (!config_.do_sample && rules_.empty()) {
    const ScoredToken best = argmax(logits);
    if (std::isnan(best.score)) throw nonfinite_logits();
    chosen.token = best.token;
  } else {
    scratch.scores.assign(logits.begin(), logits.end());
    rules_.apply(scratch.scores, input_ids);
    const ScoredToken best = argmax(scratch.scores);
    if (std::isnan(best.score)) throw nonfinite_logits();
    if (best.score == -std::numeric_limits<float>::infinity()) {
      throw no_token_left();
    }
    // Infinity has no probability.
    if (config_.do_sample && std::isinf(best.score)) throw nonfinite_logits();
    chosen.token =
        config_.do_sample ? draw(scratch.scores, input_ids.size(), sequence, scratch.kept) : best.token;
  }
  if (config_.logprobs || config_.top_logprobs > 0) {
    const LogSumExp norm = log_sum_exp(logits);
    chosen.logprob = norm.log_prob(logits[static_cast<std::size_t>(chosen.token)]);
    top_k(logits, config_.top_logprobs, 0.0f, chosen.top_logprobs);
    for (ScoredToken& token : chosen.top_logprobs) token.score = norm.log_prob(token.score);
  }
  return chosen;
}

// Inverse of the cumulative distribution, over the tokens in ascending order.
std::int32_t Sampler::draw(std::span<float> scores, std::size_t position, std::uint32_t sequence,
                           std::vector<ScoredToken>& kept) const {
  warp(config_, 1, scores, kept);
  float max = -std::numeric_limits<float>::infinity();
  for (const ScoredToken& token : kept) max = std::max(max, token.score);
  double total = 0.0;
  for (ScoredToken& token : kept) {
    token.score = std::exp(token.score - max);
    total += token.score;
  }
  const RandomStream random{.seed = config_.seed, .request = request_, .sequence = sequence};
  const double target = random.uniform(static_cast<std::uint32_t>(position)) * total;
  double reached = 0.0;
  for (const ScoredToken& token : kept) {
    reached += token.score;
    if (target < reached) return token.token;
  }
  return kept.back().token;  // the product above was rounded up to `total`
}

}  // namespace attend
