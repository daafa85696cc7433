#include "runtime/generation/logits_rules.h"

#include <algorithm>
#include <limits>

#include "attend/error.h"

namespace attend {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Ids = std::span<const std::int32_t>;

// Ids outside the scores (an encoder may have a larger vocabulary) concern nothing.
bool inside(std::span<const float> scores, std::int32_t id) {
  return id >= 0 && static_cast<std::size_t>(id) < scores.size();
}

float& at(std::span<float> scores, std::int32_t id) {
  return scores[static_cast<std::size_t>(id)];
}

void set_all(std::span<float> scores, Ids ids, float value) {
  for (const std::int32_t id : ids) {
    if (inside(scores, id)) at(scores, id) = value;
  }
}

// scores[id] = f(scores[id]) once for every distinct id: all are read before the first is written.
template <class F>
void update_once(std::span<float> scores, Ids ids, F f) {
  thread_local std::vector<float> updated;
  updated.clear();
  for (const std::int32_t id : ids) updated.push_back(inside(scores, id) ? f(at(scores, id)) : 0.0f);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (inside(scores, ids[i])) at(scores, ids[i]) = updated[i];
  }
}

// Keskar et al. 2019 (arXiv:1909.05858), the form that also works for negative scores.
void apply_repetition_penalty(std::span<float> scores, Ids ids, float penalty) {
  update_once(scores, ids, [penalty](float x) { return x < 0.0f ? x * penalty : x / penalty; });
}

// Bans every token that would complete an n-gram of `text` whose beginning ends `input_ids`.
void ban_repeated_ngrams(std::span<float> scores, Ids text, Ids input_ids, std::size_t ngram_size) {
  if (input_ids.size() + 1 < ngram_size || text.size() < ngram_size) return;
  const Ids beginning = input_ids.last(ngram_size - 1);
  for (std::size_t i = 0; i + ngram_size <= text.size(); ++i) {
    if (!std::equal(beginning.begin(), beginning.end(), text.begin() + i)) continue;
    const std::int32_t last = text[i + ngram_size - 1];
    if (inside(scores, last)) at(scores, last) = -kInfinity;
  }
}

}  // namespace

LogitsRules::LogitsRules(const GenerationConfig& config, const LengthLimits& limits, Ids encoder_input_ids)
    : prompt_length_(static_cast<std::size_t>(limits.prompt_length)),
      max_length_(static_cast<std::size_t>(limits.max_length)),
      encoder_repetition_penalty_(static_cast<float>(1.0 / config.encoder_repetition_penalty)),
      repetition_penalty_(static_cast<float>(config.repetition_penalty)),
      presence_penalty_(static_cast<float>(config.presence_penalty)),
      frequency_penalty_(static_cast<float>(config.frequency_penalty)),
      no_repeat_ngram_size_(static_cast<std::size_t>(config.no_repeat_ngram_size)),
      encoder_no_repeat_ngram_size_(static_cast<std::size_t>(config.encoder_no_repeat_ngram_size)),
      remove_invalid_values_(config.remove_invalid_values),
      forced_bos_(config.forced_bos_token_id),
      forced_eos_(config.forced_eos_token_id),
      suppress_(config.suppress_tokens),
      begin_suppress_(config.begin_suppress_tokens) {
  if (limits.min_length > limits.prompt_length) {
    min_length_ = static_cast<std::size_t>(limits.min_length);
    eos_ = config.eos_token_id;
  }
  begin_length_ = prompt_length_ + (prompt_length_ <= 1 && forced_bos_ ? 1 : 0);
  for (const std::vector<std::int32_t>& word : config.bad_words_ids) {
    // As in transformers, an end token alone cannot be a bad word.
    const bool is_eos = word.size() == 1 && std::find(config.eos_token_id.begin(), config.eos_token_id.end(),
                                                      word[0]) != config.eos_token_id.end();
    if (!word.empty() && !is_eos) bad_words_.push_back(word);
  }
  const bool needs_encoder_ids =
      config.encoder_repetition_penalty != 1.0 || encoder_no_repeat_ngram_size_ > 0;
  if (needs_encoder_ids) {
    if (encoder_input_ids.empty()) {
      throw usage_error("OPTION_CONFLICT",
                        config.encoder_repetition_penalty != 1.0 ? "encoder_repetition_penalty"
                                                                 : "encoder_no_repeat_ngram_size",
                        "the option is about the tokens of the input, but this input has none: leave it out");
    }
    encoder_input_ids_.assign(encoder_input_ids.begin(), encoder_input_ids.end());
  }
  empty_ = !needs_encoder_ids && repetition_penalty_ == 1.0f && presence_penalty_ == 0.0f &&
           frequency_penalty_ == 0.0f && no_repeat_ngram_size_ == 0 && bad_words_.empty() && eos_.empty() &&
           !forced_bos_ && forced_eos_.empty() && !remove_invalid_values_ && suppress_.empty() &&
           begin_suppress_.empty();
}

void LogitsRules::apply(std::span<float> scores, Ids input_ids) const {
  if (empty_) return;
  penalise(scores, input_ids);
  ban(scores, input_ids);
  force(scores, input_ids.size());
  if (remove_invalid_values_) {
    for (float& x : scores) {
      x = x != x ? 0.0f
                 : std::clamp(x, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max());
    }
  }
  set_all(scores, suppress_, -kInfinity);
  if (input_ids.size() == begin_length_) set_all(scores, begin_suppress_, -kInfinity);
}

void LogitsRules::penalise(std::span<float> scores, Ids input_ids) const {
  if (encoder_repetition_penalty_ != 1.0f) {
    apply_repetition_penalty(scores, encoder_input_ids_, encoder_repetition_penalty_);
  }
  if (repetition_penalty_ != 1.0f) apply_repetition_penalty(scores, input_ids, repetition_penalty_);
  // These two have no counterpart in transformers; they are those of OpenAI's API and count generated tokens.
  const Ids generated = input_ids.subspan(std::min(prompt_length_, input_ids.size()));
  if (presence_penalty_ != 0.0f) {
    update_once(scores, generated, [this](float x) { return x - presence_penalty_; });
  }
  if (frequency_penalty_ != 0.0f) {
    for (const std::int32_t id : generated) {
      if (inside(scores, id)) at(scores, id) -= frequency_penalty_;
    }
  }
}

void LogitsRules::ban(std::span<float> scores, Ids input_ids) const {
  if (no_repeat_ngram_size_ > 0) ban_repeated_ngrams(scores, input_ids, input_ids, no_repeat_ngram_size_);
  if (encoder_no_repeat_ngram_size_ > 0) {
    ban_repeated_ngrams(scores, encoder_input_ids_, input_ids, encoder_no_repeat_ngram_size_);
  }
  for (const std::vector<std::int32_t>& word : bad_words_) {
    const std::size_t beginning = word.size() - 1;
    if (beginning > input_ids.size() || !inside(scores, word.back())) continue;
    const Ids end = input_ids.last(beginning);
    // Adding -inf, as transformers does, leaves a NaN what it is.
    if (std::equal(end.begin(), end.end(), word.begin())) at(scores, word.back()) += -kInfinity;
  }
  if (input_ids.size() < min_length_) set_all(scores, eos_, -kInfinity);
}

void LogitsRules::force(std::span<float> scores, std::size_t length) const {
  if (forced_bos_ && length == 1) {
    std::fill(scores.begin(), scores.end(), -kInfinity);
    if (inside(scores, *forced_bos_)) at(scores, *forced_bos_) = 0.0f;
  }
  if (!forced_eos_.empty() && length + 1 == max_length_) {
    std::fill(scores.begin(), scores.end(), -kInfinity);
    set_all(scores, forced_eos_, 0.0f);
  }
}

}  // namespace attend
