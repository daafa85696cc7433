// What the recorded cases do not cover: penalties without a counterpart in transformers, and odd inputs.
#include "runtime/generation/logits_rules.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "attend/error.h"
#include "runtime/generation/length_limits.h"

namespace attend {
namespace {

using Ids = std::vector<std::int32_t>;
using Scores = std::vector<float>;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr LengthLimits kLimits{.prompt_length = 2, .max_length = 6};

Scores apply(const GenerationConfig& config, Scores scores, const Ids& ids, const Ids& encoder = {}) {
  LogitsRules(config, kLimits, encoder).apply(scores, ids);
  return scores;
}

TEST_CASE("presence and frequency penalties count generated tokens", "[generation]") {
  GenerationConfig config;
  config.presence_penalty = 0.5;
  CHECK(apply(config, {1, 1, 1, 1}, {0, 1, 2, 2, 3}) == Scores{1, 1, 0.5f, 0.5f});
  config.frequency_penalty = 0.25;
  CHECK(apply(config, {1, 1, 1, 1}, {0, 1, 2, 2, 3}) == Scores{1, 1, 0, 0.25f});
  config.presence_penalty = 0.0;
  CHECK(apply(config, {1, 1, 1, 1}, {0, 1, 2, 2, 3}) == Scores{1, 1, 0.5f, 0.75f});
  CHECK(apply(config, {1, 1, 1, 1}, {0, 1}) == Scores{1, 1, 1, 1});
}

TEST_CASE("repetition penalties act once per token, and pass over tokens without a score", "[generation]") {
  GenerationConfig config;
  config.repetition_penalty = 2.0;
  CHECK(apply(config, {1, -1, 4, 3}, {1, 2, 2, 2, 9}) == Scores{1, -2, 2, 3});
  config = {};
  config.encoder_repetition_penalty = 2.0;
  CHECK(apply(config, {1, -1, 4, 3}, {0, 0}, {1, 2, 2, 70000}) == Scores{1, -0.5f, 8, 3});
}

TEST_CASE("rules about the input need an input of tokens", "[generation]") {
  for (const bool ngrams : {false, true}) {
    GenerationConfig config;
    if (ngrams) {
      config.encoder_no_repeat_ngram_size = 2;
    } else {
      config.encoder_repetition_penalty = 1.5;
    }
    try {
      const LogitsRules rules(config, kLimits, {});
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.kind() == "OPTION_CONFLICT");
      CHECK(error.where() == (ngrams ? "encoder_no_repeat_ngram_size" : "encoder_repetition_penalty"));
    }
  }
}

TEST_CASE("without an option there is no rule", "[generation]") {
  GenerationConfig config;
  config.eos_token_id = {1};
  config.bad_words_ids = {{1}};  // an end token alone is no bad word
  CHECK(LogitsRules(config, kLimits, {}).empty());
  config.bad_words_ids = {{1, 2}};
  CHECK(!LogitsRules(config, kLimits, {}).empty());
}

TEST_CASE("invalid values are replaced by the nearest finite ones", "[generation]") {
  GenerationConfig config;
  config.remove_invalid_values = true;
  const float max = std::numeric_limits<float>::max();
  CHECK(apply(config, {std::nanf(""), kInf, -kInf, 2}, {0, 0}) == Scores{0, max, -max, 2});
}

TEST_CASE("the minimum length holds back every end token", "[generation]") {
  GenerationConfig config;
  config.eos_token_id = {0, 3};
  LengthLimits limits = kLimits;
  limits.min_length = 4;
  const LogitsRules rules(config, limits, {});
  Scores scores = {1, 2, 3, 4};
  rules.apply(scores, Ids{1, 1, 1, 1});
  CHECK(scores == Scores{1, 2, 3, 4});
  rules.apply(scores, Ids{1, 1, 1});
  CHECK(scores == Scores{-kInf, 2, 3, -kInf});
}

}  // namespace
}  // namespace attend
