#include "runtime/generation/length_limits.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "attend/error.h"

namespace attend {
namespace {

constexpr std::int64_t kDefaultNewTokens = 20;
constexpr std::int64_t kLongest = std::numeric_limits<std::int32_t>::max() - 1;

}  // namespace

LengthLimits resolve_length_limits(const GenerationConfig& config, std::int64_t prompt_length,
                                   std::optional<std::int64_t> model_max_length) {
  if (model_max_length && prompt_length >= *model_max_length) {
    throw usage_error(
        "PROMPT_TOO_LONG", "input",
        fmt::format("the prompt has {} tokens, but the model has {} positions for the prompt and "
                    "what is generated: shorten the prompt to at most {} tokens",
                    prompt_length, *model_max_length, *model_max_length - 1));
  }
  std::int64_t max_length = prompt_length + kDefaultNewTokens;
  if (config.max_new_tokens) {
    max_length = prompt_length + *config.max_new_tokens;
  } else if (config.max_length) {
    max_length = *config.max_length;
    if (prompt_length >= max_length) {
      throw usage_error(
          "PROMPT_TOO_LONG", "max_length",
          fmt::format("the prompt has {} tokens, but max_length is {} and counts the prompt: raise "
                      "max_length, or give max_new_tokens",
                      prompt_length, max_length));
    }
  }
  const std::int64_t longest = std::min(model_max_length.value_or(kLongest), kLongest);
  std::int64_t min_length = config.min_length;
  if (config.min_new_tokens) min_length = prompt_length + *config.min_new_tokens;

  LengthLimits limits;
  limits.prompt_length = static_cast<std::int32_t>(prompt_length);
  limits.limited_by_model = max_length > longest;
  limits.max_length = static_cast<std::int32_t>(std::min(max_length, longest));
  limits.min_length = static_cast<std::int32_t>(std::clamp<std::int64_t>(min_length, 0, kLongest));
  return limits;
}

}  // namespace attend
