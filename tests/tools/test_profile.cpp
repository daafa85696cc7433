// attend profile: the table, the JSON object, the trace.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinRel;
using nlohmann::json;

const std::string kSentence = "The teacher reads a book in the library.";

std::string golden(const std::string& name) {
  return std::string(ATTEND_SOURCE_DIR) + "/tests/goldens/" + name;
}

TEST_CASE("profile: rows sum to the wall time, for every grouping") {
  for (const char* group : {"layer", "kind", "none"}) {
    INFO(group);
    const ProcessResult result = run_attend(
        {"profile", demo_model(), "--json", "--group", group, "--threads", "2", kSentence, "It is red."});
    REQUIRE(result.exit_code == 0);
    REQUIRE(result.lines().size() == 1);
    const json profile = result.json_lines()[0];
    double sum = 0;
    double share = 0;
    std::set<std::string> sections;
    for (const json& row : profile["rows"]) {
      sum += row["total_ms"].get<double>();
      share += row["share"].get<double>();
      if (!row.contains("phase")) sections.insert(row["name"].get<std::string>());
      CHECK_FALSE(row.contains("problem"));
    }
    CHECK_THAT(sum, WithinRel(profile["wall_ms"].get<double>(), 1e-6));
    CHECK_THAT(share, WithinRel(1.0, 1e-6));
    for (const char* name : {"[scheduler]", "[tokenizer]", "[other]"}) CHECK(sections.contains(name));
    CHECK(profile["requests"].size() == 2);
    CHECK(profile["group"] == group);
  }
}

TEST_CASE("profile: the table keeps to 80 columns and marks the phases") {
  for (const char* group : {"layer", "kind", "none"}) {
    const ProcessResult result =
        run_attend({"profile", demo_model(), "--group", group, "--num-beams", "2", kSentence, "It is red."});
    REQUIRE(result.exit_code == 0);
    for (const std::string& line : result.lines()) {
      INFO(line);
      CHECK(line.size() <= 80);
    }
    CHECK_THAT(result.out, ContainsSubstring("-- encoder"));
    CHECK_THAT(result.out, ContainsSubstring("-- decode"));
    CHECK_THAT(result.out, ContainsSubstring("wall time"));
  }
}

TEST_CASE("profile: --top keeps the longest rows and the sum") {
  const ProcessResult result = run_attend(
      {"profile", golden("llama-tiny"), "--json", "--group", "none", "--top", "3", "--input-ids", "5,6,7"});
  REQUIRE(result.exit_code == 0);
  const json profile = result.json_lines()[0];
  double sum = 0;
  std::map<std::string, int> rows;
  for (const json& row : profile["rows"]) {
    sum += row["total_ms"].get<double>();
    ++rows[row.value("phase", "")];
  }
  CHECK_THAT(sum, WithinRel(profile["wall_ms"].get<double>(), 1e-6));
  CHECK(rows["prefill"] == 4);
  CHECK(rows["decode"] == 4);
}

TEST_CASE("profile: tasks of encoders, and several windows of one input") {
  const ProcessResult result =
      run_attend({"profile", golden("bert-tiny"), "--json", "--input-ids", "5,6,7,8", "--input-ids", "9,10"});
  REQUIRE(result.exit_code == 0);
  const json profile = result.json_lines()[0];
  REQUIRE(profile["requests"].size() == 2);
  CHECK(profile["requests"][0]["input_tokens"] == 4);
  CHECK(profile["requests"][1]["input_tokens"] == 2);
}

TEST_CASE("profile: the trace is valid, with tracks, nested slices and flows") {
  const std::string path = scratch("trace") + "/trace \"1\".json";
  // Long enough for attention on more than one thread.
  std::string long_text;
  for (int i = 0; i < 12; ++i) long_text += "I eat an apple and ";
  const ProcessResult result = run_attend({"profile", demo_model(), "--trace", path, "--threads", "2",
                                           "--max-new-tokens", "20", long_text, kSentence, "It is red."});
  REQUIRE(result.exit_code == 0);
  std::ifstream file(path);
  const json trace = json::parse(file);
  std::map<std::string, int> phases;
  std::map<int, std::string> flow;  // by request: "s", then "t"s, then "f"
  std::set<int> threads;
  std::map<int, std::string> tracks;
  std::set<std::string> on_worker;
  for (const json& event : trace.at("traceEvents")) {
    const std::string phase = event.at("ph");
    ++phases[phase];
    if (phase == "X") {
      CHECK(event.at("dur").get<double>() >= 0);
      CHECK(event.at("ts").get<double>() >= 0);
      threads.insert(event.at("tid").get<int>());
      if (event["tid"] == 2) on_worker.insert(event.at("name").get<std::string>());
    }
    if (phase == "M" && event.at("name") == "thread_name") tracks[event["tid"]] = event["args"]["name"];
    if (phase == "s" || phase == "t" || phase == "f") flow[event.at("id").get<int>()] += phase;
  }
  CHECK(phases["X"] > 100);
  CHECK(phases["b"] == 3);
  CHECK(phases["e"] == 3);
  // The scheduler, a worker, and the thread that submits.
  CHECK(threads == std::set<int>{1, 2, 3});
  CHECK(tracks == std::map<int, std::string>{{1, "scheduler"}, {2, "worker 1"}, {3, "caller 1"}});
  // Products, of attend's own kernel where there is one for this machine.
  CHECK((on_worker.contains("lm_head.linear") || on_worker.contains("lm_head.linear (oneDNN)")));
  CHECK(on_worker.contains("model.encoder.layers.0.self_attn.scores+softmax+mix"));
  REQUIRE(flow.size() == 3);
  for (const auto& [request, steps] : flow) {
    CHECK(steps.front() == 's');
    CHECK(steps.back() == 'f');
    CHECK(std::count(steps.begin(), steps.end(), 't') == static_cast<std::ptrdiff_t>(steps.size()) - 2);
  }
}

TEST_CASE("profile: wrong calls") {
  CHECK(run_attend({"profile", demo_model(), "--group", "node", "x"}).exit_code == 2);
  CHECK(run_attend({"profile", demo_model(), "--top", "0", "x"}).exit_code == 2);
  CHECK(run_attend({"profile"}).exit_code == 2);
  const ProcessResult result =
      run_attend({"profile", demo_model(), "--trace", scratch("unwritable") + "/no/such/trace.json", "x"});
  CHECK(result.exit_code == 65);
  CHECK_THAT(result.err, ContainsSubstring("trace.json"));
  CHECK(run_attend({"profile", golden("llama-tiny"), "--input-ids", "5,100000"}).exit_code == 65);
  CHECK(run_attend({"profile", demo_model()}, "").exit_code == 65);  // no input at all
}

}  // namespace
}  // namespace attend::test
