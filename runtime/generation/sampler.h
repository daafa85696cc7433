// Chooses the next token of a sequence: the best one (greedy search), or a random one.
//
// V vocabulary size, N tokens so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "attend/generation_config.h"
#include "runtime/generation/log_softmax_topk.h"
#include "runtime/generation/logits_rules.h"
#include "runtime/generation/random.h"

namespace attend {

// Working memory of one thread; grows to V and stays.
struct SamplerScratch {
  std::vector<float> scores;
  std::vector<ScoredToken> kept;
};

struct ChosenToken {
  std::int32_t token = 0;
  // Under the model alone: log-softmax of its logits, before any rule, temperature or truncation. Filled in
  // when the config's logprobs (or top_logprobs) asks for it.
  float logprob = 0.0f;
  std::vector<ScoredToken> top_logprobs;  // the top_logprobs best tokens, best first, the same way
};

// Immutable; may be used from several threads at once.
class Sampler {
 public:
  // The config must have passed validate(); the rules must have been made from it. `request` tells requests
  // with the same seed apart: its result is a function of (seed, request, sequence, position) and the logits.
  Sampler(const GenerationConfig& config, LogitsRules rules, std::uint32_t request);

  // Chooses what follows input_ids [N] (with the prompt, or the start token) from the model's logits [V].
  // `sequence` is the number among num_return_sequences.
  // Throws Error NONFINITE_LOGITS when the logits hold NaN (when sampling: or +inf) and remove_invalid_values
  // is off, NO_TOKEN_LEFT when the rules forbid every token.
  ChosenToken choose(std::span<const float> logits, std::span<const std::int32_t> input_ids,
                     std::uint32_t sequence, SamplerScratch& scratch) const;

 private:
  std::int32_t draw(std::span<float> scores, std::size_t position, std::uint32_t sequence,
                    std::vector<ScoredToken>& kept) const;

  GenerationConfig config_;
  LogitsRules rules_;
  std::uint32_t request_;
};

}  // namespace attend
