// Words, how much a head tells, and the links that follow.
#include "runtime/attention/word_alignment.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "attend/error.h"

namespace attend {
namespace {

using Words = std::vector<std::string>;

AttentionToken token(std::int32_t start, std::int32_t end, bool special = false) {
  return {.id = 1, .token = "t", .start = start, .end = end, .special = special};
}

Words words(const std::string& text, const std::vector<AttentionToken>& tokens = {}) {
  Words texts;
  for (const AlignedWord& word : words_of(text, tokens)) texts.push_back(word.text);
  return texts;
}

TEST_CASE("words of scripts with spaces: runs of letters, punctuation by itself") {
  CHECK(words("I don't know, Mr. O'Neil.") == Words{"I", "don't", "know", ",", "Mr", ".", "O'Neil", "."});
  CHECK(words("well-known 10.5% \"so\"") == Words{"well-known", "10.5", "%", "\"", "so", "\""});
  CHECK(words("Wie geht's, Jürgen?") == Words{"Wie", "geht's", ",", "Jürgen", "?"});
  CHECK(words("مرحبا بالعالم") == Words{"مرحبا", "بالعالم"});
  CHECK(words("  ").empty());
}

TEST_CASE("words of scripts without spaces end where tokens begin") {
  const std::vector<AttentionToken> tokens = {token(0, 2), token(2, 3), token(3, 6), token(6, 8)};
  CHECK(words("先生は駅です。", tokens) == Words{"先生", "は", "駅です", "。"});
  CHECK(words("東京tower") == Words{"東京", "tower"});
}

TEST_CASE("spans of words count code points") {
  const std::vector<AlignedWord> found = words_of("é 私 b", {});
  REQUIRE(found.size() == 3);
  CHECK(found[1].start == 2);
  CHECK(found[2].start == 4);
  CHECK(found[2].end == 5);
}

TEST_CASE("mutual information is 0 for rows that are alike, log n for n rows that each have their own") {
  CHECK(mutual_information(std::vector<float>{0.5F, 0.5F, 0.5F, 0.5F}, 2, 2) == Catch::Approx(0.0));
  CHECK(mutual_information(std::vector<float>{1, 0, 1, 0}, 2, 2) == Catch::Approx(0.0));
  CHECK(mutual_information(std::vector<float>{1, 0, 0, 1}, 2, 2) == Catch::Approx(std::log(2.0)));
}

// "red dog" to "chien rouge", with end tokens; head 0 blurs, head 1 knows.
AttentionResult crossing() {
  AttentionResult result;
  result.kind = AttentionKind::cross;
  result.key_text = "red dog";
  result.query_text = "chien rouge";
  result.keys = {token(0, 3), token(4, 7), token(0, 0, true)};
  result.queries = {token(0, 2), token(2, 5), token(6, 11), token(0, 0, true)};
  const std::vector<float> weights = {
      0.34F, 0.33F, 0.33F, 0.34F, 0.33F, 0.33F, 0.34F, 0.33F, 0.33F, 0.34F, 0.33F, 0.33F,  // head 0
      0.1F,  0.8F,  0.1F,  0.0F,  0.6F,  0.4F,  0.9F,  0.05F, 0.05F, 0.0F,  0.0F,  1.0F,   // head 1
  };
  result.maps.push_back(
      {.layer = 0, .heads = {0, 1}, .weights = Tensor::from(weights, {2, 4, 3}), .values = {}});
  return result;
}

TEST_CASE("words are linked by the head that tells where they come from") {
  const WordAlignment alignment = align_words(crossing());
  REQUIRE(alignment.heads.size() == 1);
  CHECK(alignment.heads[0].head == 1);
  REQUIRE(alignment.links.size() == 2);
  CHECK((alignment.links[0].target == 0 && alignment.links[0].source == 1));
  CHECK(alignment.links[0].weight == Catch::Approx(0.7));
  CHECK((alignment.links[1].target == 1 && alignment.links[1].source == 0));
  CHECK(align_words(crossing(), true).heads.size() == 2);
}

TEST_CASE("a word that special tokens answer for has no link") {
  AttentionResult result = crossing();
  const std::vector<float> weights = {0.1F, 0.3F, 0.6F, 0.0F, 0.4F, 0.6F, 1, 0, 0, 0, 1, 0};
  result.maps.front() = {.layer = 0, .heads = {0}, .weights = Tensor::from(weights, {1, 4, 3}), .values = {}};
  const WordAlignment alignment = align_words(result);
  REQUIRE(alignment.links.size() == 1);
  CHECK(alignment.links[0].target == 1);
}

TEST_CASE("lower layers do not take part, whatever they tell") {
  AttentionResult result = crossing();
  result.maps.push_back(result.maps.front());
  result.maps.back().layer = 1;
  const WordAlignment alignment = align_words(result);
  for (const AlignmentHead& head : alignment.heads) CHECK(head.layer == 1);
}

TEST_CASE("alignments need cross-attention and text") {
  AttentionResult result = crossing();
  result.kind = AttentionKind::encoder;
  CHECK_THROWS_AS(align_words(result), Error);
  result = crossing();
  result.query_text.clear();
  CHECK_THROWS_AS(align_words(result), Error);
}

}  // namespace
}  // namespace attend
