// Replays what transformers generated (tests/goldens/make_generation.py): ids exact, scores within 1e-5.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "runtime/generation/beam_search.h"
#include "runtime/generation/length_limits.h"
#include "runtime/generation/logits_rules.h"
#include "runtime/generation/sampler.h"
#include "runtime/generation/validate.h"
#include "tests/runtime/generation/hash_model.h"

namespace attend {
namespace {

using Ids = std::vector<std::int32_t>;

struct Request {
  GenerationConfig config;
  Ids prompt;
  Ids encoder;

  Request(const nlohmann::json& recorded, std::size_t item)
      : config(test::to_config(recorded["options"])),
        prompt(recorded["prompts"][item].get<Ids>()),
        encoder(recorded["encoder"][item].get<Ids>()) {
    config.eos_token_id = recorded["model"]["eos"].get<Ids>();
    validate(config, recorded["model"]["vocab_size"]);
  }
  LengthLimits limits() const {
    return resolve_length_limits(config, static_cast<std::int64_t>(prompt.size()), std::nullopt);
  }
};

Ids run_greedy(const test::HashModel& model, const Request& request) {
  const LengthLimits limits = request.limits();
  const Sampler sampler(request.config, LogitsRules(request.config, limits, request.encoder), 0);
  SamplerScratch scratch;
  Ids ids = request.prompt;
  const Ids& eos = request.config.eos_token_id;
  while (static_cast<std::int32_t>(ids.size()) < limits.max_length) {
    ids.push_back(sampler.choose(model.logits(request.encoder[0], ids), ids, 0, scratch).token);
    if (std::find(eos.begin(), eos.end(), ids.back()) != eos.end()) break;
  }
  return {ids.begin() + limits.prompt_length, ids.end()};
}

std::vector<Hypothesis> run_beam(const test::HashModel& model, const Request& request) {
  const LengthLimits limits = request.limits();
  BeamSearch search(request.config, limits, LogitsRules(request.config, limits, request.encoder),
                    request.prompt, 0);
  SamplerScratch scratch;
  while (!search.done()) {
    for (int row = 0; row < search.rows(); ++row) {
      search.score(row, model.logits(request.encoder[0], search.sequence(row)), scratch);
    }
    search.advance();
  }
  return search.hypotheses();
}

TEST_CASE("greedy search chooses the tokens that transformers chose", "[generation]") {
  const nlohmann::json cases = test::read_cases("greedy.json");
  REQUIRE(cases.size() >= 100);
  for (const nlohmann::json& recorded : cases) {
    INFO(recorded.dump());
    const test::HashModel model(recorded["model"]);
    for (std::size_t item = 0; item < recorded["results"].size(); ++item) {
      CHECK(run_greedy(model, Request(recorded, item)) == recorded["results"][item][0]["ids"].get<Ids>());
    }
  }
}

TEST_CASE("beam search gives the hypotheses and scores that transformers gave", "[generation]") {
  const nlohmann::json cases = test::read_cases("beam.json");
  REQUIRE(cases.size() >= 320);
  for (const nlohmann::json& recorded : cases) {
    INFO(recorded.dump());
    const test::HashModel model(recorded["model"]);
    for (std::size_t item = 0; item < recorded["results"].size(); ++item) {
      const nlohmann::json& expected = recorded["results"][item];
      const std::vector<Hypothesis> found = run_beam(model, Request(recorded, item));
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].ids == expected[i]["ids"].get<Ids>());
        const double score = expected[i]["score"];
        CHECK_THAT(found[i].score, Catch::Matchers::WithinAbs(score, 1e-5 * std::max(1.0, std::abs(score))));
        CHECK(found[i].logprobs.size() == found[i].ids.size());
      }
    }
  }
}

}  // namespace
}  // namespace attend
