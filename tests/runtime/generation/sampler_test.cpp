#include "runtime/generation/sampler.h"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "attend/error.h"
#include "runtime/generation/beam_search.h"
#include "runtime/generation/length_limits.h"
#include "runtime/generation/random.h"
#include "runtime/generation/warpers.h"
#include "tests/runtime/generation/hash_model.h"

namespace attend {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<double> softmax(const std::vector<ScoredToken>& kept) {
  std::vector<double> result;
  double total = 0.0;
  for (const ScoredToken& token : kept) total += result.emplace_back(std::exp(double{token.score}));
  for (double& probability : result) probability /= total;
  return result;
}

Sampler make_sampler(const GenerationConfig& config, std::uint32_t request = 0) {
  const LengthLimits limits{.prompt_length = 1, .max_length = 100};
  return Sampler(config, LogitsRules(config, limits, {}), request);
}

// Pearson's statistic of counts against expected probabilities.
double chi_square(const std::vector<int>& counts, const std::vector<double>& probabilities) {
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  double sum = 0.0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = probabilities[i] * total;
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return sum;
}

const std::vector<float> kLogits = {1.0f, -0.5f, 2.0f, 0.0f, 1.5f, -1.0f, 0.25f, 1.75f};

std::vector<double> probabilities_of(const std::vector<float>& logits) {
  std::vector<double> result;
  double total = 0.0;
  for (const float x : logits) total += result.emplace_back(std::exp(double{x}));
  for (double& p : result) p /= total;
  return result;
}

TEST_CASE("Philox gives the published known answers", "[generation]") {
  // Known-answer vectors of the Random123 distribution, philox4x32 with 10 rounds.
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) ==
        std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("warped distributions equal those of transformers", "[generation]") {
  const nlohmann::json cases = test::read_cases("warped.json");
  REQUIRE(cases.size() >= 100);
  for (const nlohmann::json& recorded : cases) {
    INFO(recorded.dump());
    const GenerationConfig config = test::to_config(recorded["options"]);
    const std::int32_t last = recorded["last"];
    std::vector<float> scores = test::HashModel(recorded["model"]).logits(last, Ids{last});
    if (recorded["ties"]) {
      for (float& x : scores) x = std::nearbyint(2.0f * x) / 2.0f;
    }
    const std::size_t eos_count = recorded["model"]["eos"].size();
    std::vector<ScoredToken> kept;
    warp(config, config.num_beams > 1 ? eos_count + 1 : 1, scores, kept);
    std::vector<double> found = softmax(kept);
    std::vector<double> expected;
    Ids tokens;
    for (const nlohmann::json& entry : recorded["probabilities"]) {
      tokens.push_back(entry[0]);
      expected.push_back(entry[1]);
    }
    if (recorded["ties"]) {
      // Which of several equal scores top-p keeps is open.
      std::sort(found.begin(), found.end());
      std::sort(expected.begin(), expected.end());
    } else {
      for (std::size_t i = 0; i < kept.size(); ++i) REQUIRE(kept[i].token == tokens.at(i));
    }
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) < 1e-5);
  }
}

TEST_CASE("top-p of a large vocabulary keeps the smallest set that reaches it", "[generation]") {
  // Logits fall with the token, so that the set is a beginning of the vocabulary.
  std::vector<float> logits(50000);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = -0.001f * static_cast<float>(i);
  GenerationConfig config;
  config.top_k = 0;
  for (const double top_p : {0.001, 0.05, 0.5, 0.9, 0.999}) {
    config.top_p = top_p;
    std::vector<float> scores = logits;
    std::vector<ScoredToken> kept;
    warp(config, 1, scores, kept);
    // 1 - exp(-0.001 n) >= top_p
    const double expected = std::ceil(-std::log1p(-top_p) * 1000.0);
    CHECK(std::abs(static_cast<double>(kept.size()) - expected) <= 2.0);
    CHECK(kept.back().token + 1 == static_cast<std::int32_t>(kept.size()));
  }
}

TEST_CASE("draws follow the distribution", "[generation]") {
  GenerationConfig config;
  config.do_sample = true;
  config.top_k = 0;
  config.seed = 7;
  SamplerScratch scratch;
  // 99.9 % quantile of chi-square with 7 degrees of freedom.
  constexpr double kLimit = 24.32;
  const std::vector<double> expected = probabilities_of(kLogits);
  const auto count = [&](auto draw) {
    std::vector<int> counts(kLogits.size());
    for (std::uint32_t i = 0; i < 20000; ++i) ++counts[static_cast<std::size_t>(draw(i))];
    return counts;
  };
  const Sampler sampler = make_sampler(config);
  const Ids ids(10, 1);
  CHECK(chi_square(count([&](auto i) { return sampler.choose(kLogits, ids, i, scratch).token; }), expected) <
        kLimit);
  CHECK(chi_square(
            count([&](auto i) { return make_sampler(config, i).choose(kLogits, ids, 0, scratch).token; }),
            expected) < kLimit);
  const Ids longest(20001, 1);
  CHECK(chi_square(count([&](auto i) {
                     return sampler.choose(kLogits, std::span(longest).first(i + 1), 0, scratch).token;
                   }),
                   expected) < kLimit);
  CHECK(chi_square(count([&](auto i) {
                     GenerationConfig seeded = config;
                     seeded.seed = i;
                     return make_sampler(seeded).choose(kLogits, ids, 0, scratch).token;
                   }),
                   expected) < kLimit);
}

TEST_CASE("a draw depends on seed, request, sequence and position alone", "[generation]") {
  GenerationConfig config;
  config.do_sample = true;
  config.seed = 1234567890123;
  const Sampler sampler = make_sampler(config, 3);
  const Sampler again = make_sampler(config, 3);
  SamplerScratch scratch;
  SamplerScratch used;
  for (std::size_t length = 1; length < 50; ++length) {
    const Ids ids(length, 1);
    used.scores.assign(300, 9.0f);
    CHECK(sampler.choose(kLogits, ids, 2, scratch).token == again.choose(kLogits, ids, 2, used).token);
  }
}

TEST_CASE("greedy choice with rules and log-probabilities", "[generation]") {
  GenerationConfig config;
  config.logprobs = true;
  config.top_logprobs = 3;
  config.suppress_tokens = {2};
  SamplerScratch scratch;
  const ChosenToken chosen = make_sampler(config).choose(kLogits, Ids{0}, 0, scratch);
  CHECK(chosen.token == 7);
  // The model's own distribution: the suppressed token is still the most likely one.
  const std::vector<double> expected = probabilities_of(kLogits);
  CHECK(std::abs(chosen.logprob - std::log(expected[7])) < 1e-6);
  REQUIRE(chosen.top_logprobs.size() == 3);
  const Ids order = {2, 7, 4};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(chosen.top_logprobs[i].token == order[i]);
    CHECK(std::abs(chosen.top_logprobs[i].score - std::log(expected[static_cast<std::size_t>(order[i])])) <
          1e-6);
  }
}

std::optional<std::string> error_kind(const GenerationConfig& config, const std::vector<float>& logits) {
  SamplerScratch scratch;
  try {
    make_sampler(config).choose(logits, Ids{0}, 0, scratch);
  } catch (const Error& error) {
    return error.kind();
  }
  return std::nullopt;
}

TEST_CASE("logits that choose nothing are errors", "[generation]") {
  GenerationConfig config;
  CHECK(error_kind(config, {0.0f, std::nanf(""), 1.0f}) == "NONFINITE_LOGITS");
  CHECK(!error_kind(config, {0.0f, kInf, 1.0f}));
  config.remove_invalid_values = true;
  CHECK(!error_kind(config, {0.0f, std::nanf(""), 1.0f}));
  config = {};
  config.do_sample = true;
  CHECK(error_kind(config, {0.0f, kInf, 1.0f}) == "NONFINITE_LOGITS");
  config.suppress_tokens = {0, 1};
  CHECK(error_kind(config, {0.0f, 1.0f}) == "NO_TOKEN_LEFT");
  config.do_sample = false;
  CHECK(error_kind(config, {0.0f, 1.0f}) == "NO_TOKEN_LEFT");
}

// With one step, the finished hypotheses of beam sampling are the first B tokens drawn.
TEST_CASE("beam sampling draws without replacement", "[generation]") {
  GenerationConfig config;
  config.do_sample = true;
  config.top_k = 0;
  config.num_beams = 2;
  config.num_return_sequences = 2;
  const LengthLimits limits{.prompt_length = 1, .max_length = 2};
  SamplerScratch scratch;
  const std::vector<double> p = probabilities_of(kLogits);
  std::vector<int> counts(kLogits.size());
  for (std::uint32_t request = 0; request < 20000; ++request) {
    BeamSearch search(config, limits, LogitsRules(config, limits, {}), Ids{0}, request);
    search.score(0, kLogits, scratch);
    search.advance();
    REQUIRE(search.done());
    const std::vector<Hypothesis> hypotheses = search.hypotheses();
    REQUIRE(hypotheses[0].ids[0] != hypotheses[1].ids[0]);
    for (const Hypothesis& hypothesis : hypotheses) ++counts[static_cast<std::size_t>(hypothesis.ids[0])];
  }
  // Probability that a token is among the first two drawn, halved.
  std::vector<double> expected(p.size());
  for (std::size_t a = 0; a < p.size(); ++a) {
    expected[a] = p[a];
    for (std::size_t b = 0; b < p.size(); ++b) {
      if (b != a) expected[a] += p[b] * p[a] / (1.0 - p[b]);
    }
    expected[a] /= 2.0;
  }
  // The two of a pair exclude each other, which makes the statistic smaller than chi-square's.
  CHECK(chi_square(counts, expected) < 24.32);
}

}  // namespace
}  // namespace attend
