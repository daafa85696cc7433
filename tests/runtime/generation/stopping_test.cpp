#include "runtime/generation/stopping.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "attend/error.h"
#include "runtime/generation/stream_decoder.h"
#include "tests/runtime/generation/toy_tokenizer.h"

namespace attend {
namespace {

using test::ToyTokenizer;
using Ids = std::vector<std::int32_t>;

// Pieces as they come, the last from finish().
std::vector<std::string> stream(const ToyTokenizer& tokenizer, const Ids& ids) {
  StreamDecoder decoder(tokenizer);
  std::vector<std::string> pieces;
  for (const std::int32_t id : ids) pieces.push_back(decoder.push(id));
  pieces.push_back(decoder.finish());
  return pieces;
}

std::string join(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

TEST_CASE("streamed text holds back incomplete characters", "[generation]") {
  const ToyTokenizer bytes(ToyTokenizer::Kind::byte_level,
                           {"a", "\xE3", "\x81\x82", "b", "\xF0\x9F\x98", "\x80"});
  CHECK(stream(bytes, {0, 1, 2, 3, 4, 5}) ==
        std::vector<std::string>{"a", "", "\xE3\x81\x82", "b", "", "\xF0\x9F\x98\x80", ""});
  // Never completed: the end shows what the tokenizer makes of it.
  CHECK(stream(bytes, {0, 1}) == std::vector<std::string>{"a", "", "\xEF\xBF\xBD"});
}

TEST_CASE("streamed text holds back runs of byte tokens", "[generation]") {
  const ToyTokenizer metaspace(ToyTokenizer::Kind::metaspace,
                               {"\xE2\x96\x81hi", "<0xE3>", "<0x81>", "<0x82>", "\xE2\x96\x81you", "<s>"});
  CHECK(stream(metaspace, {0, 1, 2, 3, 4}) ==
        std::vector<std::string>{"hi", "", "", "", "\xE3\x81\x82 you", ""});
  // One more byte makes the whole run invalid, the complete character before it too.
  CHECK(join(stream(metaspace, {0, 1, 2, 3, 1, 4})) ==
        "hi\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD you");
  CHECK(stream(metaspace, {5, 0, 5, 4}) == std::vector<std::string>{"", "hi", "", " you", ""});
}

TEST_CASE("streamed text holds back spaces that may go away", "[generation]") {
  const ToyTokenizer words(ToyTokenizer::Kind::word_piece, {"do", "n", "'", "t", "go", "##ing", "."});
  CHECK(stream(words, {4, 5, 6}) == std::vector<std::string>{"go", "ing", ".", ""});
  CHECK(join(stream(words, {0, 1, 4, 6})) == "do n go.");
}

TEST_CASE("streamed pieces join to the decoded text, for any tokens", "[generation]") {
  const std::vector<ToyTokenizer> tokenizers = {
      {ToyTokenizer::Kind::byte_level, {"a", " b", "\xE3", "\x81", "\x82", "\xF0\x9F", " ", "\n", "</s>"}},
      {ToyTokenizer::Kind::metaspace,
       {"\xE2\x96\x81", "x", "\xE2\x96\x81yz", "<0xE3>", "<0x81>", "<0x82>", "<0x41>", "<s>",
        "\xE2\x96\x81\xE2\x96\x81"}},
      {ToyTokenizer::Kind::word_piece, {"a", "##b", ".", "n", "'", "s", ",", "?", "[CLS]"}}};
  std::uint32_t state = 1;
  for (const ToyTokenizer& tokenizer : tokenizers) {
    for (int repetition = 0; repetition < 200; ++repetition) {
      Ids ids;
      for (int i = 0; i < 150; ++i) {
        state = state * 1664525 + 1013904223;
        ids.push_back(static_cast<std::int32_t>((state >> 16) % 9));
      }
      REQUIRE(join(stream(tokenizer, ids)) == tokenizer.decode(ids, true));
    }
  }
}

TEST_CASE("streaming decodes a bounded number of tokens per push", "[generation]") {
  const ToyTokenizer metaspace(ToyTokenizer::Kind::metaspace, {"\xE2\x96\x81xy", "<0x41>"});
  for (const std::int32_t id : {0, 1}) {
    metaspace.decoded_tokens = 0;
    stream(metaspace, Ids(5000, id));
    CHECK(metaspace.decoded_tokens < 5000 * 40);
  }
}

StoppingCriteria criteria(std::vector<std::string> stop, const Tokenizer* tokenizer) {
  GenerationConfig config;
  config.eos_token_id = {6};
  config.stop = std::move(stop);
  return StoppingCriteria(config, {.prompt_length = 1, .max_length = 8}, tokenizer);
}

TEST_CASE("sequences end at an end token, a stop string or their length", "[generation]") {
  const ToyTokenizer tokens(ToyTokenizer::Kind::byte_level,
                            {"ab", "c", "de", "\n", "\xE3", "\x81\x82", "</s>"});
  const StoppingCriteria stopping = criteria({"cd", "\n\n", "\xE3\x81\x82"}, &tokens);
  CHECK(stopping.check(Ids{0, 1}) == FinishReason::none);
  CHECK(stopping.check(Ids{0, 1, 2}) == FinishReason::stop_string);  // across tokens, and not at the end
  CHECK(stopping.check(Ids{0, 1, 2, 0}) == FinishReason::none);      // it did not end in the last token
  CHECK(stopping.check(Ids{0, 3}) == FinishReason::none);
  CHECK(stopping.check(Ids{0, 3, 3}) == FinishReason::stop_string);
  CHECK(stopping.check(Ids{0, 4}) == FinishReason::none);
  CHECK(stopping.check(Ids{0, 4, 5}) == FinishReason::stop_string);  // when the character is complete
  CHECK(stopping.check(Ids{0, 6}) == FinishReason::end_token);
  CHECK(stopping.check(Ids{0, 0, 0, 0, 0, 0, 0}) == FinishReason::none);
  CHECK(stopping.check(Ids{0, 0, 0, 0, 0, 0, 0, 0}) == FinishReason::length);
  CHECK(criteria({"</s>"}, &tokens).ends_stop_string(Ids{0, 6}));  // special tokens have their text here
}

TEST_CASE("stop strings need a tokenizer", "[generation]") {
  CHECK_NOTHROW(criteria({}, nullptr));
  try {
    criteria({"x"}, nullptr);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == "OPTION_CONFLICT");
    CHECK(error.where() == "stop");
    CHECK(error.category() == ErrorCategory::usage);
  }
}

}  // namespace
}  // namespace attend
