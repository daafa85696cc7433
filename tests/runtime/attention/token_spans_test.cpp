// Parts of a text that tokens stand for, where the tokenizer has no offsets.
#include "runtime/attention/token_spans.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "tests/runtime/generation/toy_tokenizer.h"

namespace attend {
namespace {

std::vector<std::string> parts(const std::string& text, const std::vector<std::string>& pieces) {
  const std::u32string points = code_points(text);
  std::vector<std::string> found;
  for (const auto& [start, end] : spans_of_pieces(text, pieces)) {
    found.push_back(
        utf8(points.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(end - start))));
  }
  return found;
}

using Parts = std::vector<std::string>;

TEST_CASE("pieces that spell the text get their characters, without the space in front") {
  CHECK(parts("I eat apples.", {"▁I", "▁eat", "▁app", "les", "."}) == Parts{"I", "eat", "app", "les", "."});
  CHECK(parts("私はりんごを", {"▁私", "は", "りんご", "を"}) == Parts{"私", "は", "りんご", "を"});
  CHECK(parts("a b", {"▁", "a", "▁b"}) == Parts{"", "a", "b"});
}

TEST_CASE("pieces of normalised text find what they were made of") {
  // Full-width letters, an ellipsis, a ligature, and white space that was squeezed.
  CHECK(parts("ＡＢ  yes… ﬁne", {"▁AB", "▁yes", "...", "▁fine"}) == Parts{"ＡＢ", "yes", "…", "ﬁne"});
  // An unknown character keeps its place between its neighbours.
  CHECK(parts("go ☃ home", {"▁go", "▁", "☃", "▁home"}) == Parts{"go", "", "☃", "home"});
  const Parts unknown = parts("go ☃ home", {"▁go", "▁<unk>", "▁home"});
  CHECK(unknown.front() == "go");
  CHECK(unknown.back() == "home");
}

TEST_CASE("pieces that were added stand for nothing") {
  CHECK(parts("hi", {"▁hi", ""}) == Parts{"hi", ""});
  CHECK(parts("", {"", ""}) == Parts{"", ""});
}

using Kind = test::ToyTokenizer::Kind;

Parts decoded_parts(Kind kind, const std::vector<std::string>& tokens) {
  const test::ToyTokenizer tokenizer(kind, tokens);
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < tokens.size(); ++i) ids.push_back(static_cast<std::int32_t>(i));
  const std::u32string text = code_points(tokenizer.decode(ids, true));
  Parts found;
  for (const auto& [start, end] : spans_of_decoding(tokenizer, ids))
    found.push_back(
        utf8(text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(end - start))));
  return found;
}

TEST_CASE("generated tokens stand for what they add to the decoded text") {
  CHECK(decoded_parts(Kind::metaspace, {"▁I", "▁eat", "ing", "</s>"}) == Parts{"I", "eat", "ing", ""});
  // The space before the full stop goes when it comes.
  CHECK(decoded_parts(Kind::word_piece, {"[CLS]", "eat", "##ing", "."}) == Parts{"", "eat", "ing", "."});
  // A character belongs to the token that brings its last byte.
  CHECK(decoded_parts(Kind::byte_level, {"a", " \xE7\xA7", "\x81", "b"}) == Parts{"a", "", "私", "b"});
  CHECK(decoded_parts(Kind::metaspace, {"<0xE7>", "<0xA7>", "<0x81>"}) == Parts{"", "", "私"});
}

TEST_CASE("code points: bytes that are not UTF-8 count one each") {
  CHECK(code_points("a\xFFé") == U"a\uFFFDé");
  CHECK(utf8(U"aé私") == "aé私");
}

}  // namespace
}  // namespace attend
