// A trained model of ../shared: 200 tokens, their text and their score as transformers has them
// (tests/goldens/make_tinystories.py).
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "attend/attend.h"
#include "tests/api/golden_model.h"
#include "tests/support/shared_folder.h"

namespace attend {

TEST_CASE("a story is written and scored as transformers does") {
  const std::filesystem::path directory = test::shared_folder() / "models" / "llama-tinystories-656k";
  ATTEND_SKIP_WITHOUT(directory);
  std::ifstream file(test::goldens() / "tinystories.json");
  const nlohmann::json recorded = nlohmann::json::parse(file);
  const Model model = Model::load(directory, {.threads = 2});
  for (const nlohmann::json& entry : recorded.at("cases")) {
    INFO(entry.at("text").dump());
    const auto prompt = entry.at("input_ids").get<std::vector<std::int32_t>>();
    const auto expected = entry.at("output_ids").get<std::vector<std::int32_t>>();
    Request request;
    request.input.text = entry.at("text");
    request.generation = model.generation();
    request.generation->max_new_tokens = recorded.at("max_new_tokens").get<std::int32_t>();
    std::string streamed;
    request.on_token = [&](const TokenEvent& event) { streamed += event.text; };
    const Result result = model.run(std::move(request));
    CHECK(result.sequences.front().output_ids == expected);
    CHECK(result.prompt + result.text() == entry.at("generated_text").get<std::string>());
    CHECK(result.text().starts_with(streamed));

    Request whole;
    whole.input.ids = prompt;
    whole.input.ids->insert(whole.input.ids->end(), expected.begin(), expected.end());
    whole.score = true;
    const TextScore scored = model.run(std::move(whole)).scored.value();
    CHECK(std::abs(scored.score - entry.at("score").get<double>()) < 1e-2);
    CHECK(std::abs(scored.perplexity - entry.at("perplexity").get<double>()) < 1e-4);
  }
}

}  // namespace attend
