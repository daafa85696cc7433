// The tiny Marian checkpoint through the binary: every generation option gives what transformers gave.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

using nlohmann::json;

std::string golden_model() {
  return std::string(ATTEND_SOURCE_DIR) + "/tests/goldens/marian-tiny";
}

json golden() {
  std::ifstream file(golden_model() + "/expected.json");
  REQUIRE(file);
  return json::parse(file);
}

std::string joined(const json& ids) {
  std::string text;
  for (const json& id : ids) text += (text.empty() ? "" : ",") + id.dump();
  return text;
}

// {"num_beams": 4, "bad_words_ids": [[5], [6, 7]]} as words of the command line.
std::vector<std::string> flags(const json& options) {
  std::vector<std::string> words;
  for (const auto& [key, value] : options.items()) {
    std::string flag = "--" + key;
    for (char& c : flag) c = c == '_' ? '-' : c;
    const bool nested = value.is_array() && !value.empty() && value[0].is_array();
    for (const json& each : nested ? value : json::array({value})) {
      words.push_back(flag);
      words.push_back(each.is_array()    ? joined(each)
                      : each.is_string() ? each.get<std::string>()
                                         : each.dump());
    }
  }
  return words;
}

void check_sequence(const json& found, const json& expected) {
  CHECK(found["output_ids"] == expected["output_ids"]);
  CHECK(found.contains("score") == expected.contains("score"));
  if (expected.contains("score") && found.contains("score")) {
    CHECK_THAT(found["score"].get<double>(),
               Catch::Matchers::WithinAbs(expected["score"].get<double>(), 1e-4));
  }
  CHECK_FALSE(found.contains("translation_text"));  // this checkpoint has no tokenizer
}

TEST_CASE("generation options give the ids and scores of transformers") {
  const json expected = golden();
  const json& rows = expected["generation"];
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin;
    std::vector<std::string> arguments{"run", golden_model(), "--json", "--log-level", "error"};
    for (; end < rows.size() && rows[end]["options"] == rows[begin]["options"]; ++end) {
      arguments.insert(arguments.end(),
                       {"--input-ids", joined(expected["inputs"][rows[end]["input"].get<std::size_t>()])});
    }
    for (const std::string& word : flags(rows[begin]["options"])) arguments.push_back(word);
    INFO("options " << rows[begin]["options"].dump());
    const ProcessResult result = run_attend(arguments);
    REQUIRE(result.exit_code == 0);
    const std::vector<json> lines = result.json_lines();
    REQUIRE(lines.size() == end - begin);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const json& results = rows[begin + i]["results"];
      INFO("input " << rows[begin + i]["input"].dump());
      CHECK(lines[i].is_array() == (results.size() > 1));
      const json found = lines[i].is_array() ? lines[i] : json::array({lines[i]});
      REQUIRE(found.size() == results.size());
      for (std::size_t k = 0; k < found.size(); ++k) check_sequence(found[k], results[k]);
    }
    begin = end;
  }
}

TEST_CASE("without --json and without a tokenizer the ids are written") {
  const json expected = golden();
  const ProcessResult result =
      run_attend({"run", golden_model(), "--input-ids", joined(expected["inputs"][1]), "--num-beams", "1",
                  "--max-new-tokens", "6"});
  CHECK(result.exit_code == 0);
  CHECK(result.out == "34,17,60,12,12,0\n");
}

TEST_CASE("text is refused where there is no tokenizer, ids out of range are") {
  const std::vector<std::string> inputs[] = {
      {"Some text."}, {"--input-ids", "5,64,0"}, {"--input-ids", "5,-1,0"}};
  for (const auto& input : inputs) {
    std::vector<std::string> arguments{"run", golden_model(), "--json"};
    arguments.insert(arguments.end(), input.begin(), input.end());
    const ProcessResult result = run_attend(arguments);
    CHECK(result.exit_code == 65);
    const auto lines = result.json_lines();
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].contains("error"));
  }
}

TEST_CASE("an input longer than the positions is an error that states both lengths") {
  std::string ids = "5";
  for (int i = 0; i < 100; ++i) ids += ",6";
  const ProcessResult result = run_attend({"run", golden_model(), "--json", "--input-ids", ids});
  CHECK(result.exit_code == 65);
  const auto lines = result.json_lines();
  REQUIRE(lines.size() == 1);
  const std::string message = lines[0]["error"]["message"];
  INFO(message);
  CHECK(message.find("101") != std::string::npos);
  CHECK(message.find("64") != std::string::npos);
}

}  // namespace
}  // namespace attend::test
