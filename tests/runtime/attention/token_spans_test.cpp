// Parts of a text that tokens stand for, where the tokenizer has no offsets.
#include "runtime/attention/token_spans.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

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

TEST_CASE("code points: bytes that are not UTF-8 count one each") {
  CHECK(code_points("a\xFFé") == U"a\uFFFDé");
  CHECK(utf8(U"aé私") == "aé私");
}

}  // namespace
}  // namespace attend
