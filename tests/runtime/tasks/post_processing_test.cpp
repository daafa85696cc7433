// The pure functions behind the tasks, against small examples and slow but plain computations.
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "attend/error.h"
#include "attend/task_value.h"
#include "runtime/tasks/question_answering.h"
#include "runtime/tasks/scores.h"
#include "runtime/tasks/sentence_embedding.h"
#include "runtime/tasks/token_classification.h"
#include "runtime/tasks/unicode.h"

namespace attend::test {
namespace {

using namespace attend::tasks;
using Catch::Approx;

TEST_CASE("softmax and sigmoid keep to their range", "[tasks]") {
  const std::vector<float> logits = {1e30F, -1e30F, 1e30F};
  CHECK(softmax(logits) == std::vector<double>{0.5, 0.0, 0.5});
  CHECK(sigmoid(-1e4) == 0.0);
  CHECK(sigmoid(1e4) == 1.0);
  CHECK(sigmoid(0.7) + sigmoid(-0.7) == Approx(1.0));
}

TEST_CASE("the best come first, of equals the first, NaN last", "[tasks]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> scores = {nan, 0.2, 0.5, 0.2, 0.5, nan};
  CHECK(top_indices(scores, 3) == std::vector<std::size_t>{2, 4, 1});
  CHECK(top_indices(scores, 99) == std::vector<std::size_t>{2, 4, 1, 3, 0, 5});
  CHECK(top_indices(scores, 0).empty());
  CHECK(argmax(scores) == 2);
}

TEST_CASE("code points are counted, not bytes or graphemes", "[tasks]") {
  const std::string text = "e\u0301中👩‍👧!";
  const CodePoints points(text);
  CHECK(points.size() == 7);
  CHECK(points.slice(0, 2) == "e\u0301");
  CHECK(points.slice(2, 3) == "中");
  CHECK(points.slice(3, 6) == "👩‍👧");
  CHECK(points.slice(5, 99) == "👧!");
  CHECK(points.slice(4, 2).empty());
  CHECK(points.slice(-3, 1) == "e");
  CHECK(CodePoints("").size() == 0);
}

TEST_CASE("letter case and white space are Unicode's", "[tasks]") {
  CHECK(to_lower("ÉCOLE Straße ΑΒΓ Москва 中 🙂") ==
        "école straße αβγ москва 中 🙂");
  CHECK(strip(" \t\n\u3000\u00A0 a b \u2003\r\n") == "a b");
  CHECK(strip(" \u3000 ").empty());
  CHECK(strip("").empty());
  CHECK(to_lower("\xFFX") == "\xFFx");
}

// One token per label: "B-PER" scores 0.9 for its label, the rest is even.
std::vector<PreEntity> tokens_of(const std::vector<std::string>& labels,
                                 const std::vector<std::size_t>& chosen) {
  std::vector<PreEntity> tokens;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    PreEntity token{.word = std::string(1, static_cast<char>('A' + i)),
                    .index = static_cast<std::int32_t>(i)};
    token.scores.assign(labels.size(), 0.1 / static_cast<double>(labels.size() - 1));
    token.scores[chosen[i]] = 0.9;
    token.start = static_cast<std::int32_t>(2 * i);
    token.end = static_cast<std::int32_t>(2 * i + 1);
    tokens.push_back(token);
  }
  return tokens;
}

std::string joined(std::span<const std::string> words) {
  std::string text;
  for (const std::string& word : words) text += word;
  return text;
}

TEST_CASE("B- begins a group, I- and bare labels continue one", "[tasks]") {
  const std::vector<std::string> labels = {"B-TAG", "I-TAG", "B-TAG2", "TAG"};
  const auto groups =
      aggregate(tokens_of(labels, {0, 1, 1, 2, 2, 3, 1, 3}), AggregationStrategy::simple, labels, joined);
  std::string text;
  for (const Entity& group : groups) text += group.word + ":" + group.entity + " ";
  CHECK(text == "ABC:TAG D:TAG2 E:TAG2 FGH:TAG ");
  CHECK(groups[0].score == Approx(0.9));
  CHECK(*groups[0].start == 0);
  CHECK(*groups[0].end == 5);
  CHECK_FALSE(groups[0].index.has_value());
}

TEST_CASE("words decide as a whole", "[tasks]") {
  const std::vector<std::string> labels = {"X", "Y"};
  std::vector<PreEntity> tokens = tokens_of(labels, {0, 1, 1});
  tokens[0].scores = {0.6, 0.4};
  tokens[1].scores = {0.1, 0.9};
  tokens[2].scores = {0.95, 0.05};
  for (std::size_t i = 1; i < tokens.size(); ++i) tokens[i].is_subword = true;
  const auto word = [&](AggregationStrategy strategy) { return aggregate(tokens, strategy, labels, joined); };
  REQUIRE(word(AggregationStrategy::first).size() == 1);
  CHECK(word(AggregationStrategy::first)[0].score == 0.6);
  CHECK(word(AggregationStrategy::max)[0].score == 0.95);
  CHECK(word(AggregationStrategy::average)[0].score == Approx(0.55));
  CHECK(word(AggregationStrategy::average)[0].entity == "X");
  CHECK(word(AggregationStrategy::simple).size() == 3);
  CHECK(aggregate({}, AggregationStrategy::first, labels, joined).empty());
}

TEST_CASE("of overlapping entities the longest stays, then the surest", "[tasks]") {
  const auto entity = [](std::int32_t start, std::int32_t end, double score) {
    return Entity{.entity = "X", .score = score, .start = start, .end = end};
  };
  const auto kept = aggregate_overlapping_entities(
      {entity(0, 4, 0.5), entity(10, 12, 0.5), entity(2, 8, 0.4), entity(10, 12, 0.7), entity(12, 13, 0.1)});
  REQUIRE(kept.size() == 3);
  CHECK(*kept[0].start == 2);
  CHECK(kept[1].score == 0.7);
  CHECK(*kept[2].start == 12);
  CHECK(aggregate_overlapping_entities({}).empty());
}

TEST_CASE("answer spans are those of a search through all of them", "[tasks]") {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0F, 2.0F);
  constexpr std::size_t kTokens = 30;
  std::vector<float> starts, ends;
  WindowMask mask;
  for (std::size_t i = 0; i < kTokens; ++i) {
    starts.push_back(normal(random));
    ends.push_back(normal(random));
    mask.context.push_back(i >= 8 && i + 1 < kTokens);
    mask.scored.push_back(i == 0 || mask.context.back());
  }
  const auto probability = [&](const std::vector<float>& logits, std::size_t at) {
    double sum = 0;
    for (std::size_t i = 0; i < kTokens; ++i)
      sum += mask.scored[i] ? std::exp(static_cast<double>(logits[i])) : 0.0;
    return std::exp(static_cast<double>(logits[at])) / sum;
  };
  constexpr std::size_t kLongest = 4;
  std::vector<AnswerSpan> all;
  for (std::size_t s = 8; s + 1 < kTokens; ++s) {
    for (std::size_t e = s; e + 1 < kTokens && e < s + kLongest; ++e) {
      all.push_back({s, e, probability(starts, s) * probability(ends, e)});
    }
  }
  std::sort(all.begin(), all.end(),
            [](const AnswerSpan& a, const AnswerSpan& b) { return a.score > b.score; });
  for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    const WindowSpans found = best_spans(starts, ends, mask, count, kLongest);
    REQUIRE(found.spans.size() == std::min(count, all.size()));
    for (std::size_t i = 0; i < found.spans.size(); ++i) {
      CHECK(found.spans[i].start == all[i].start);
      CHECK(found.spans[i].end == all[i].end);
      CHECK(found.spans[i].score == Approx(all[i].score));
    }
    CHECK(found.null_score == Approx(probability(starts, 0) * probability(ends, 0)));
  }
}

TEST_CASE("vectors are normalised and compared", "[tasks]") {
  std::vector<float> zero = {0, 0};
  normalize_embedding(zero);
  CHECK(zero == std::vector<float>{0, 0});
  const std::vector<float> a = {3, 4}, b = {4, 3};
  CHECK(embedding_similarity(a, b, "cosine") == Approx(24.0 / 25.0));
  CHECK(embedding_similarity(zero, b, "cosine") == 0.0);
  CHECK(embedding_similarity(a, b, "dot") == Approx(24.0));
  CHECK(embedding_similarity(a, b, "euclidean") == Approx(-std::sqrt(2.0)));
  CHECK(embedding_similarity(a, b, "manhattan") == Approx(-2.0));
  CHECK_THROWS_AS(embedding_similarity(a, b, "jaccard"), Error);
  CHECK_THROWS_AS(embedding_similarity(a, std::vector<float>{1}, "dot"), Error);
}

TEST_CASE("modules that do not fit are refused by name", "[tasks]") {
  const std::vector<float> hidden = {1, 2, 3, 4, 5, 6};  // [2, 3]
  const auto embed = [&](std::vector<EmbeddingModule> modules) {
    SentenceEmbeddingConfig config;
    config.modules = std::move(modules);
    return sentence_embedding(hidden, 2, 3, config);
  };
  const Pooling mean{.mean_tokens = true};
  CHECK(embed({mean}) == std::vector<float>{2.5F, 3.5F, 4.5F});
  CHECK(describe(SentenceEmbeddingConfig{}) == "mean pooling");
  const DenseModule narrow{.in_features = 2, .out_features = 1, .weight = {1, 1}, .bias = {}};
  const DenseModule ragged{.in_features = 3, .out_features = 2, .weight = {1, 1, 1, 1}, .bias = {}};
  const DenseModule biased{.in_features = 3, .out_features = 1, .weight = {1, 1, 1}, .bias = {1, 1}};
  for (const auto& module :
       std::vector<EmbeddingModule>{narrow, ragged, biased, LayerNormModule{{1}, {1}}, mean}) {
    CHECK_THROWS_AS(embed({mean, module}), Error);
  }
  CHECK_THROWS_AS(embed({}), Error);
  CHECK_THROWS_AS(embed({Pooling{}}), Error);
  CHECK_THROWS_AS(embed({NormalizeModule{}}), Error);
  CHECK(parse_torch_activation("torch.nn.modules.linear.Identity") == EmbeddingActivation::identity);
  CHECK_THROWS_AS(parse_torch_activation("torch.nn.modules.activation.Softsign"), Error);
  CHECK_THROWS_AS(parse_torch_activation("elsewhere.Tanh"), Error);
}

TEST_CASE("results print as JSON and read by name", "[tasks]") {
  const TaskValue value =
      TaskValue::Object{{"text", "\"quoted\" \\ \n\t\x01 中🙂"},
                        {"score", 1.0},
                        {"small", 1e-9},
                        {"count", std::int64_t{-3}},
                        {"yes", true},
                        {"none", TaskValue()},
                        {"vector", TaskValue::Vector{0.1F, -2.0F, std::numeric_limits<float>::infinity()}},
                        {"list", TaskValue::Array{TaskValue(1), TaskValue("a")}},
                        {"empty", TaskValue::Object{}}};
  CHECK(value.json() ==
        "{\"text\": \"\\\"quoted\\\" \\\\ \\n\\t\\u0001 中🙂\", \"score\": 1.0, \"small\": 1e-09, "
        "\"count\": -3, "
        "\"yes\": true, \"none\": null, \"vector\": [0.1, -2.0, null], \"list\": [1, \"a\"], \"empty\": {}}");
  CHECK(value.at("count").as_number() == -3.0);
  CHECK(value.find("missing") == nullptr);
  CHECK(value.at("list").find("x") == nullptr);
  CHECK_THROWS_AS(value.at("missing"), Error);
  CHECK_THROWS_AS(value.at("count").as_string(), Error);
}

}  // namespace
}  // namespace attend::test
