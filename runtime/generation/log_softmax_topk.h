// What decoding does with a row of logits: log-softmax, the best token, the best k tokens.
//
// V vocabulary size. Every result depends on the row alone (not on batch or threads), and its bits are the
// same for every instruction set with fused multiply-add: sums run in 32 fixed lanes whatever the vector
// width.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace attend {

// log_softmax(x)[t] = (x[t] - max) - log_sum, in this order of operations (as torch computes it).
struct LogSumExp {
  float max = 0.0f;
  float log_sum = 0.0f;

  float log_prob(float logit) const { return (logit - max) - log_sum; }
};

struct ScoredToken {
  float score = -std::numeric_limits<float>::infinity();
  std::int32_t token = 0;

  // Higher scores first; of equal scores the lower token first.
  friend bool operator<(const ScoredToken& a, const ScoredToken& b) {
    return a.score > b.score || (a.score == b.score && a.token < b.token);
  }
  bool operator==(const ScoredToken&) const = default;
};

// log_sum is NaN when the row [V] holds NaN or +inf, or nothing but -inf; V must not be 0.
LogSumExp log_sum_exp(std::span<const float> logits);

// dst[t] = (src[t] - norm.max) - norm.log_sum for every t; dst [V] may be src [V].
void log_softmax(std::span<const float> src, const LogSumExp& norm, std::span<float> dst);

// The first of the largest scores [V], as torch.argmax; a NaN is larger than everything. V must not be 0.
ScoredToken argmax(std::span<const float> scores);

// Replaces `best` by the min(k, V) best of {scores[t] + offset, t}, best first (the order of ScoredToken).
// NaN counts as -inf. The sum is rounded to f32 before it is compared.
// One pass over the row that compares against the k-th best so far; nothing is sorted but the k.
void top_k(std::span<const float> scores, std::int32_t k, float offset, std::vector<ScoredToken>& best);

}  // namespace attend
