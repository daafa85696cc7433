// When a sequence ends: end tokens, length, stop strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "attend/generation_config.h"
#include "attend/tokenizer.h"
#include "runtime/generation/length_limits.h"

namespace attend {

enum class FinishReason { none, end_token, stop_string, length };

// As transformers' stopping criteria: what ends a sequence stays in it. The ids keep the end token, or the
// token that completed a stop string; the text keeps the stop string and what that token holds after it. May
// be used from several threads at once.
class StoppingCriteria {
 public:
  // `tokenizer` must outlive this object. Throws a usage Error (OPTION_CONFLICT) when the config has stop
  // strings and there is no tokenizer to see them with.
  StoppingCriteria(const GenerationConfig& config, const LengthLimits& limits, const Tokenizer* tokenizer);

  // Why generation ends after the last of input_ids (prompt, or start token, included).
  FinishReason check(std::span<const std::int32_t> input_ids) const;

  // Whether a stop string ends inside the text of the last token; it may begin many tokens before, in the
  // prompt too. Special tokens count with their text. For BeamSearch, which knows the other two reasons
  // itself.
  bool ends_stop_string(std::span<const std::int32_t> input_ids) const;

 private:
  std::vector<std::int32_t> eos_;
  std::vector<std::string> stop_strings_;
  std::size_t max_length_;
  std::size_t window_tokens_ = 0;  // tokens that may take part in a match
  const Tokenizer* tokenizer_;
};

}  // namespace attend
