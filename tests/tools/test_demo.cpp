// The demonstration model on sentences that it was not trained on, through the binary.
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

// How many of the 500 held-out sentences come out exactly right.
std::size_t exact_translations(const std::string& dtype) {
  std::ifstream pairs(std::string(ATTEND_SOURCE_DIR) + "/tools/demo/heldout.tsv");
  std::vector<std::string> expected;
  const std::string path = scratch("heldout") + "/english.txt";
  std::ofstream english(path);
  for (std::string line; expected.size() < 500 && std::getline(pairs, line);) {
    const std::size_t tab = line.find('\t');
    REQUIRE(tab != std::string::npos);
    english << line.substr(0, tab) << '\n';
    expected.push_back(line.substr(tab + 1));
  }
  english.close();
  REQUIRE(expected.size() == 500);

  const ProcessResult result = run_attend({"run", demo_model(), "--dtype", dtype, "--file", path});
  REQUIRE(result.exit_code == 0);
  const std::vector<std::string> found = result.lines();
  REQUIRE(found.size() == expected.size());
  std::size_t exact = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == expected[i]) ++exact;
    if (found[i] != expected[i]) UNSCOPED_INFO("expected " << expected[i] << ", found " << found[i]);
  }
  return exact;
}

TEST_CASE("the demonstration model translates at least 98 % of 500 held-out sentences exactly") {
  const std::size_t exact = exact_translations("f32");
  CHECK(exact >= 490);
  // Quantised, at most half a point less.
  CHECK(exact_translations("int8") + 2 >= exact);
  CHECK(exact_translations("bf16") + 2 >= exact);
}

}  // namespace
}  // namespace attend::test
