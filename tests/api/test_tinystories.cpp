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

namespace {

double perplexity_of_a_story(const std::filesystem::path& directory, const std::string& dtype,
                             const std::string& kv_dtype) {
  const Model model = Model::load(directory, {.threads = 2, .dtype = dtype, .kv_dtype = kv_dtype});
  Request story;
  story.input.text =
      "Once upon a time there was a little girl who had a red ball. One day she went to the park with her "
      "mom. She saw a big dog and the dog wanted to play. The girl was happy and threw the ball. The dog ran "
      "very fast and brought the ball back. They played until the sun went down. Then her mom said that it "
      "was time to go home. The girl said goodbye to the dog and hugged her mom.";
  story.score = true;
  return model.run(std::move(story)).scored.value().perplexity;
}

}  // namespace

TEST_CASE("narrow weights and caches cost a trained model at most one percent of perplexity") {
  const std::filesystem::path directory = test::shared_folder() / "models" / "llama-tinystories-656k";
  ATTEND_SKIP_WITHOUT(directory);
  const double exact = perplexity_of_a_story(directory, "f32", "f32");
  for (const auto& [dtype, kv_dtype] :
       {std::pair{"int8", "f32"}, std::pair{"bf16", "f32"}, std::pair{"f32", "bf16"},
        std::pair{"f32", "int8"}, std::pair{"int8", "int8"}}) {
    const double found = perplexity_of_a_story(directory, dtype, kv_dtype);
    INFO(dtype << " weights, cache of " << kv_dtype << ": " << found << ", exact " << exact);
    CHECK(std::abs(found / exact - 1) <= 0.01);
  }
}

}  // namespace attend
