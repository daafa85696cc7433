#include "runtime/generation/validate.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "attend/error.h"
#include "runtime/generation/length_limits.h"

namespace attend {
namespace {

struct Finding {
  const char* option;
  const char* kind;
  std::function<void(GenerationConfig&)> change;
};

TEST_CASE("options outside their range and contradictions are named", "[generation]") {
  using C = GenerationConfig;
  const double nan = std::nan("");
  const char* const range = "OPTION_RANGE";
  const char* const conflict = "OPTION_CONFLICT";
  const std::vector<Finding> findings = {
      {"max_new_tokens", range, [](C& c) { c.max_new_tokens = 0; }},
      {"max_new_tokens", range, [](C& c) { c.max_new_tokens = -5; }},
      {"min_new_tokens", range, [](C& c) { c.min_new_tokens = -1; }},
      {"max_length", range, [](C& c) { c.max_length = 0; }},
      {"min_length", range, [](C& c) { c.min_length = -1; }},
      {"min_new_tokens", conflict, [](C& c) { c.max_new_tokens = 3, c.min_new_tokens = 4; }},
      {"stop", range,
       [](C& c) {
         c.stop = {"a", ""};
       }},
      {"num_beams", range, [](C& c) { c.num_beams = 0; }},
      {"num_beams", range, [](C& c) { c.num_beams = 1 << 30; }},
      {"num_return_sequences", range, [](C& c) { c.num_return_sequences = 0; }},
      {"num_return_sequences", conflict, [](C& c) { c.num_return_sequences = 2; }},
      {"num_return_sequences", conflict, [](C& c) { c.num_beams = 3, c.num_return_sequences = 4; }},
      {"length_penalty", range, [=](C& c) { c.length_penalty = nan; }},
      {"num_beams", conflict, [](C& c) { c.num_beams = 2, c.eos_token_id.assign(10, 1); }},
      {"top_logprobs", range, [](C& c) { c.top_logprobs = -1; }},
      {"temperature", range, [](C& c) { c.do_sample = true, c.temperature = 0.0; }},
      {"temperature", range, [](C& c) { c.do_sample = true, c.temperature = -1.0; }},
      {"temperature", range, [](C& c) { c.do_sample = true, c.temperature = 1e300; }},
      {"length_penalty", range, [](C& c) { c.length_penalty = -1e9; }},
      {"repetition_penalty", range, [](C& c) { c.repetition_penalty = 1e-300; }},
      {"temperature", range, [=](C& c) { c.do_sample = true, c.temperature = nan; }},
      {"top_k", range, [](C& c) { c.do_sample = true, c.top_k = -1; }},
      {"top_p", range, [](C& c) { c.do_sample = true, c.top_p = 0.0; }},
      {"top_p", range, [](C& c) { c.do_sample = true, c.top_p = 1.1; }},
      {"min_p", range, [](C& c) { c.do_sample = true, c.min_p = 1.5; }},
      {"typical_p", range, [](C& c) { c.do_sample = true, c.typical_p = 0.0; }},
      {"repetition_penalty", range, [](C& c) { c.repetition_penalty = 0.0; }},
      {"encoder_repetition_penalty", range, [](C& c) { c.encoder_repetition_penalty = -1.0; }},
      {"presence_penalty", range, [](C& c) { c.presence_penalty = 2.5; }},
      {"frequency_penalty", range, [=](C& c) { c.frequency_penalty = nan; }},
      {"no_repeat_ngram_size", range, [](C& c) { c.no_repeat_ngram_size = -1; }},
      {"encoder_no_repeat_ngram_size", range, [](C& c) { c.encoder_no_repeat_ngram_size = -1; }},
      {"bad_words_ids", range,
       [](C& c) {
         c.bad_words_ids = {{1, 10}};
       }},
      {"suppress_tokens", range, [](C& c) { c.suppress_tokens = {-1}; }},
      {"begin_suppress_tokens", range, [](C& c) { c.begin_suppress_tokens = {10}; }},
      {"forced_bos_token_id", range, [](C& c) { c.forced_bos_token_id = 10; }},
      {"forced_eos_token_id", range,
       [](C& c) {
         c.forced_eos_token_id = {3, 10};
       }},
      {"eos_token_id", range, [](C& c) { c.eos_token_id = {10}; }},
      {"forced_bos_token_id", conflict,
       [](C& c) {
         c.forced_bos_token_id = 2, c.suppress_tokens = {1, 2};
       }},
      {"forced_eos_token_id", conflict,
       [](C& c) {
         c.forced_eos_token_id = {1, 2}, c.suppress_tokens = {2, 1};
       }},
  };
  for (const Finding& finding : findings) {
    INFO(finding.option);
    GenerationConfig config;
    finding.change(config);
    try {
      validate(config, 10);
      FAIL_CHECK("accepted");
    } catch (const Error& error) {
      CHECK(error.category() == ErrorCategory::usage);
      CHECK(error.issues().size() == 1);
      CHECK(error.kind() == finding.kind);
      CHECK(error.where() == finding.option);
      CHECK(error.message().find(finding.option) != std::string::npos);
    }
  }
}

TEST_CASE("every finding is reported at once, and defaults are fine", "[generation]") {
  GenerationConfig config;
  CHECK_NOTHROW(validate(config, 10));
  config.temperature = 0.0;  // not used without do_sample
  CHECK_NOTHROW(validate(config, 10));
  config.forced_eos_token_id = {1, 2};
  config.suppress_tokens = {2};  // one of two may still be chosen
  CHECK_NOTHROW(validate(config, 10));
  config.do_sample = true;
  config.num_beams = -1;
  try {
    validate(config, 10);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.issues().size() == 2);
  }
}

TEST_CASE("lengths resolve as in transformers", "[generation]") {
  GenerationConfig config;
  LengthLimits limits = resolve_length_limits(config, 5, std::nullopt);
  CHECK(limits.max_length == 25);
  CHECK(limits.max_new_tokens() == 20);
  CHECK(limits.min_length == 0);
  config.max_length = 12;
  config.min_length = 7;
  limits = resolve_length_limits(config, 5, std::nullopt);
  CHECK(limits.max_length == 12);
  CHECK(limits.min_length == 7);
  config.max_new_tokens = 3;
  config.min_new_tokens = 1;
  limits = resolve_length_limits(config, 5, 100);
  CHECK(limits.max_length == 8);
  CHECK(limits.min_length == 6);
  CHECK(!limits.limited_by_model);
  limits = resolve_length_limits(config, 5, 7);
  CHECK(limits.max_length == 7);
  CHECK(limits.limited_by_model);
  config.max_new_tokens = config.min_new_tokens = std::numeric_limits<std::int32_t>::max();
  CHECK(resolve_length_limits(config, 5, std::nullopt).max_length > 0);
}

TEST_CASE("a prompt without room for a token is an error that states both lengths", "[generation]") {
  GenerationConfig config;
  const auto message = [&](std::int64_t prompt, std::optional<std::int64_t> model) -> std::string {
    try {
      resolve_length_limits(config, prompt, model);
    } catch (const Error& error) {
      CHECK(error.kind() == "PROMPT_TOO_LONG");
      CHECK(error.category() == ErrorCategory::usage);
      return error.message();
    }
    return "";
  };
  CHECK(message(511, 512).empty());
  const std::string too_long = message(700, 512);
  CHECK(too_long.find("700") != std::string::npos);
  CHECK(too_long.find("512") != std::string::npos);
  config.max_length = 10;
  CHECK(message(10, std::nullopt).find("max_length") != std::string::npos);
  CHECK(message(9, std::nullopt).empty());
}

}  // namespace
}  // namespace attend
