// What narrows a distribution before a token is drawn: temperature, top-k, top-p, min-p, typical, in the
// order and with the thresholds of transformers' logits warpers.
//
// V vocabulary size.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "attend/generation_config.h"
#include "runtime/generation/log_softmax_topk.h"

namespace attend {

// Divides scores [V] by the temperature in place, and replaces `kept` by the tokens that stay possible with
// their scores, in the order of their tokens; softmax over these scores is the distribution to draw from. The
// vocabulary is not sorted where top-k or top-p bound what is kept.
//
// top-k keeps every token as good as the k-th (Fan et al. 2018); top-p keeps the smallest set of best tokens
// whose probability reaches top_p (Holtzman et al. 2020), of equal scores the later token first, as torch's
// sort has it; min-p keeps what is at least min_p times as probable as the best; typical keeps the tokens
// whose information is nearest to the entropy (Meister et al. 2022). Each keeps `min_tokens_to_keep` tokens
// at least. Tokens of score -inf are never kept, so `kept` may be empty.
void warp(const GenerationConfig& config, std::size_t min_tokens_to_keep, std::span<float> scores,
          std::vector<ScoredToken>& kept);

}  // namespace attend
