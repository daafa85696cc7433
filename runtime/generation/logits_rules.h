// The rules that change a row of scores before a token is chosen: what transformers calls logits processors,
// in its order (GenerationMixin._get_logits_processor).
//
// V vocabulary size, N tokens so far. In greedy search and sampling the scores are logits, in beam search
// log-probabilities; nothing normalises them again. Rules that are off cost nothing; those that are on touch
// the tokens they are about, not the vocabulary (but for forced tokens and remove_invalid_values).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "attend/generation_config.h"
#include "runtime/generation/length_limits.h"

namespace attend {

class LogitsRules {
 public:
  // `encoder_input_ids`: the encoder's input of an encoder-decoder model, the prompt of a decoder-only model
  // (empty when the input has no tokens, as audio; then a rule about them is a usage Error, OPTION_CONFLICT).
  // The config must have passed validate().
  LogitsRules(const GenerationConfig& config, const LengthLimits& limits,
              std::span<const std::int32_t> encoder_input_ids);

  // True when no rule is on, whatever the step: apply() would do nothing.
  bool empty() const { return empty_; }

  // Changes scores [V] in place. `input_ids` [N] holds the prompt, or the decoder's start token, and what was
  // generated since. May be called from several threads at once.
  void apply(std::span<float> scores, std::span<const std::int32_t> input_ids) const;

 private:
  void penalise(std::span<float> scores, std::span<const std::int32_t> input_ids) const;
  void ban(std::span<float> scores, std::span<const std::int32_t> input_ids) const;
  void force(std::span<float> scores, std::size_t length) const;

  bool empty_ = true;
  std::size_t prompt_length_ = 0;
  std::size_t max_length_ = 0;
  std::size_t min_length_ = 0;
  std::size_t begin_length_ = 0;  // the number of tokens at which begin_suppress_tokens acts
  float encoder_repetition_penalty_ = 1.0f;
  float repetition_penalty_ = 1.0f;
  float presence_penalty_ = 0.0f;
  float frequency_penalty_ = 0.0f;
  std::size_t no_repeat_ngram_size_ = 0;
  std::size_t encoder_no_repeat_ngram_size_ = 0;
  bool remove_invalid_values_ = false;
  std::optional<std::int32_t> forced_bos_;
  std::vector<std::int32_t> forced_eos_;
  std::vector<std::int32_t> eos_;                // only when there is a minimum length
  std::vector<std::int32_t> encoder_input_ids_;  // only when a rule needs them
  std::vector<std::vector<std::int32_t>> bad_words_;
  std::vector<std::int32_t> suppress_;
  std::vector<std::int32_t> begin_suppress_;
};

}  // namespace attend
