// How long a sequence may become, from the options that say so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "attend/generation_config.h"

namespace attend {

// Both count every token of input_ids: the prompt, or the decoder's start token, included.
struct LengthLimits {
  std::int32_t prompt_length = 0;
  std::int32_t max_length = 0;
  std::int32_t min_length = 0;
  // The options allow more tokens than the model has positions for; max_length is the model's limit then.
  bool limited_by_model = false;

  std::int32_t max_new_tokens() const { return max_length - prompt_length; }
};

// How long a sequence is taken to become when memory is set aside for it: what it needs beyond, it gets as it
// goes on.
inline std::int32_t expected_length(const LengthLimits& limits) {
  constexpr std::int32_t kMostNewTokens = 4096;
  return std::min(limits.max_length, limits.prompt_length + kMostNewTokens);
}

// As transformers resolves them: max_new_tokens wins over max_length, which counts the prompt; without
// either, 20 new tokens. min_new_tokens wins over min_length. `model_max_length` is the number of positions
// of the model, where it has such a limit. Throws a usage Error (PROMPT_TOO_LONG) when there is no room for a
// single new token, with both lengths.
LengthLimits resolve_length_limits(const GenerationConfig& config, std::int64_t prompt_length,
                                   std::optional<std::int64_t> model_max_length);

}  // namespace attend
