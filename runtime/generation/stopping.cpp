#include "runtime/generation/stopping.h"

#include <algorithm>

#include "attend/error.h"

namespace attend {
namespace {

// Tokens beyond the length of the stop string that are looked at: some have no text of their own, and the
// first of a text may lose its leading space.
constexpr std::size_t kExtraTokens = 8;

}  // namespace

StoppingCriteria::StoppingCriteria(const GenerationConfig& config, const LengthLimits& limits,
                                   const Tokenizer* tokenizer)
    : eos_(config.eos_token_id),
      stop_strings_(config.stop),
      max_length_(static_cast<std::size_t>(limits.max_length)),
      tokenizer_(tokenizer) {
  if (stop_strings_.empty()) return;
  if (tokenizer_ == nullptr) {
    throw usage_error(
        "OPTION_CONFLICT", "stop",
        "stop strings need the text of the tokens, but the model directory has no tokenizer: use "
        "eos_token_id instead");
  }
  for (const std::string& stop : stop_strings_) window_tokens_ = std::max(window_tokens_, stop.size());
  window_tokens_ += kExtraTokens;
}

FinishReason StoppingCriteria::check(std::span<const std::int32_t> input_ids) const {
  if (std::find(eos_.begin(), eos_.end(), input_ids.back()) != eos_.end()) return FinishReason::end_token;
  if (ends_stop_string(input_ids)) return FinishReason::stop_string;
  return input_ids.size() >= max_length_ ? FinishReason::length : FinishReason::none;
}

bool StoppingCriteria::ends_stop_string(std::span<const std::int32_t> input_ids) const {
  if (stop_strings_.empty()) return false;
  const std::span<const std::int32_t> window = input_ids.last(std::min(input_ids.size(), window_tokens_));
  const std::string text = tokenizer_->decode(window, false);
  const std::string before = tokenizer_->decode(window.first(window.size() - 1), false);
  // What the last token adds begins where the two differ (it may complete a character, or remove a space).
  const auto differ = std::mismatch(text.begin(), text.end(), before.begin(), before.end()).first;
  const auto added = static_cast<std::size_t>(differ - text.begin());
  return std::any_of(stop_strings_.begin(), stop_strings_.end(), [&](const std::string& stop) {
    const std::size_t first = added + 1 > stop.size() ? added + 1 - stop.size() : 0;
    return text.find(stop, first) != std::string::npos;
  });
}

}  // namespace attend
