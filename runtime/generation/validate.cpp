#include "runtime/generation/validate.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attend/error.h"

namespace attend {
namespace {

// Beyond these nothing sensible is meant; they keep sizes computed from them small.
constexpr std::int64_t kMostBeams = 1024;
constexpr std::int64_t kMostLogprobs = 1000;
// Factors and divisors of scores in this range cannot overflow f32.
constexpr double kSmallest = 1e-6;
constexpr double kLargest = 1e6;

class Findings {
 public:
  void range(std::string_view option, std::string_view expected, std::string_view found) {
    issues_.push_back({"OPTION_RANGE", std::string(option),
                       fmt::format("{} must be {}, but is {}", option, expected, found)});
  }
  void conflict(std::string_view option, std::string message) {
    issues_.push_back({"OPTION_CONFLICT", std::string(option), std::move(message)});
  }
  void integer(std::string_view option, std::int64_t value, std::int64_t least,
               std::optional<std::int64_t> most) {
    if (value >= least && (!most || value <= *most)) return;
    range(option,
          most ? fmt::format("an integer in [{}, {}]", least, *most) : fmt::format("at least {}", least),
          std::to_string(value));
  }
  // `inside` is false for NaN too.
  void number(std::string_view option, double value, bool inside, std::string_view expected) {
    if (!inside || !std::isfinite(value)) range(option, expected, fmt::format("{}", value));
  }
  void tokens(std::string_view option, std::span<const std::int32_t> ids, std::int64_t vocab_size) {
    for (const std::int32_t id : ids) {
      if (id >= 0 && id < vocab_size) continue;
      range(option, fmt::format("token ids in [0, {}) (the vocabulary)", vocab_size), std::to_string(id));
    }
  }
  void raise() {
    if (!issues_.empty()) throw Error(std::move(issues_), ErrorCategory::usage);
  }

 private:
  std::vector<Issue> issues_;
};

void check_lengths(const GenerationConfig& c, Findings& findings) {
  if (c.max_new_tokens) findings.integer("max_new_tokens", *c.max_new_tokens, 1, std::nullopt);
  if (c.min_new_tokens) findings.integer("min_new_tokens", *c.min_new_tokens, 0, std::nullopt);
  if (c.max_length) findings.integer("max_length", *c.max_length, 1, std::nullopt);
  findings.integer("min_length", c.min_length, 0, std::nullopt);
  if (c.min_new_tokens && c.max_new_tokens && *c.min_new_tokens > *c.max_new_tokens) {
    findings.conflict("min_new_tokens", fmt::format("min_new_tokens ({}) is larger than max_new_tokens ({})",
                                                    *c.min_new_tokens, *c.max_new_tokens));
  }
  for (const std::string& stop : c.stop) {
    if (stop.empty()) findings.range("stop", "non-empty strings", "an empty one");
  }
}

void check_search(const GenerationConfig& c, std::int64_t vocab_size, Findings& findings) {
  findings.integer("num_beams", c.num_beams, 1, kMostBeams);
  findings.integer("num_return_sequences", c.num_return_sequences, 1, kMostBeams);
  findings.number("length_penalty", c.length_penalty, std::abs(c.length_penalty) <= 10.0, "in [-10, 10]");
  if (c.num_beams > 1 && c.num_return_sequences > c.num_beams) {
    findings.conflict("num_return_sequences",
                      fmt::format("num_return_sequences ({}) must not be larger than num_beams ({})",
                                  c.num_return_sequences, c.num_beams));
  }
  if (c.num_beams == 1 && !c.do_sample && c.num_return_sequences > 1) {
    findings.conflict(
        "num_return_sequences",
        fmt::format("greedy search has one result, but num_return_sequences is {}: set num_beams to "
                    "at least as many, or do_sample",
                    c.num_return_sequences));
  }
  const std::int64_t per_beam =
      std::max<std::int64_t>(2, 1 + static_cast<std::int64_t>(c.eos_token_id.size()));
  if (c.num_beams > 1 && per_beam > vocab_size) {
    findings.conflict(
        "num_beams",
        fmt::format("beam search (num_beams) looks at {} tokens a beam, but the vocabulary has {}", per_beam,
                    vocab_size));
  }
  findings.integer("top_logprobs", c.top_logprobs, 0, kMostLogprobs);
}

void check_sampling(const GenerationConfig& c, Findings& findings) {
  // Options of sampling are read from files that do not sample, too: only what is used is checked.
  if (!c.do_sample) return;
  findings.number("temperature", c.temperature, c.temperature >= kSmallest && c.temperature <= kLargest,
                  "in [1e-6, 1e6] (for greedy search, turn do_sample off)");
  findings.integer("top_k", c.top_k, 0, std::nullopt);
  findings.number("top_p", c.top_p, c.top_p > 0.0 && c.top_p <= 1.0, "in (0, 1]");
  if (c.min_p) findings.number("min_p", *c.min_p, *c.min_p >= 0.0 && *c.min_p <= 1.0, "in [0, 1]");
  findings.number("typical_p", c.typical_p, c.typical_p > 0.0 && c.typical_p <= 1.0, "in (0, 1]");
}

void check_rules(const GenerationConfig& c, std::int64_t vocab_size, Findings& findings) {
  for (const auto& [option, penalty] :
       {std::pair("repetition_penalty", c.repetition_penalty),
        std::pair("encoder_repetition_penalty", c.encoder_repetition_penalty)}) {
    findings.number(option, penalty, penalty >= kSmallest && penalty <= kLargest, "in [1e-6, 1e6]");
  }
  findings.number("presence_penalty", c.presence_penalty, std::abs(c.presence_penalty) <= 2.0, "in [-2, 2]");
  findings.number("frequency_penalty", c.frequency_penalty, std::abs(c.frequency_penalty) <= 2.0,
                  "in [-2, 2]");
  findings.integer("no_repeat_ngram_size", c.no_repeat_ngram_size, 0, std::nullopt);
  findings.integer("encoder_no_repeat_ngram_size", c.encoder_no_repeat_ngram_size, 0, std::nullopt);
  for (const std::vector<std::int32_t>& word : c.bad_words_ids)
    findings.tokens("bad_words_ids", word, vocab_size);
  findings.tokens("suppress_tokens", c.suppress_tokens, vocab_size);
  findings.tokens("begin_suppress_tokens", c.begin_suppress_tokens, vocab_size);
  findings.tokens("forced_eos_token_id", c.forced_eos_token_id, vocab_size);
  findings.tokens("eos_token_id", c.eos_token_id, vocab_size);
  if (c.forced_bos_token_id) {
    findings.tokens("forced_bos_token_id", std::span(&*c.forced_bos_token_id, 1), vocab_size);
  }
}

// A forced token that is suppressed leaves no token at all.
void check_forced(std::string_view option, std::span<const std::int32_t> forced, const GenerationConfig& c,
                  Findings& findings) {
  const bool all_suppressed =
      !forced.empty() && std::all_of(forced.begin(), forced.end(), [&](std::int32_t id) {
        return std::find(c.suppress_tokens.begin(), c.suppress_tokens.end(), id) != c.suppress_tokens.end();
      });
  if (!all_suppressed) return;
  findings.conflict(option,
                    fmt::format("every token of {} is also in suppress_tokens: take it out of one of them "
                                "(to prevent an early end, use min_new_tokens)",
                                option));
}

}  // namespace

void validate(const GenerationConfig& config, std::int64_t vocab_size) {
  Findings findings;
  check_lengths(config, findings);
  check_search(config, vocab_size, findings);
  check_sampling(config, findings);
  check_rules(config, vocab_size, findings);
  if (config.forced_bos_token_id) {
    check_forced("forced_bos_token_id", std::span(&*config.forced_bos_token_id, 1), config, findings);
  }
  check_forced("forced_eos_token_id", config.forced_eos_token_id, config, findings);
  findings.raise();
}

}  // namespace attend
