// attend run on the demonstration model: output forms, inputs, errors in their place.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

const std::string kSentence = "The teacher reads a book in the library.";

ProcessResult run_demo(std::vector<std::string> more, const std::string& input = "") {
  more.insert(more.begin(), {"run", demo_model()});
  return run_attend(more, input);
}

std::string write_file(const std::string& name, const std::string& text) {
  const std::string path = scratch(name) + "/input.txt";
  std::ofstream(path) << text;
  return path;
}

TEST_CASE("arguments, a file and standard input give the same translations") {
  const ProcessResult arguments = run_demo({kSentence, "I eat an apple."});
  CHECK(arguments.exit_code == 0);
  REQUIRE(arguments.lines().size() == 2);
  CHECK_FALSE(arguments.lines()[0].empty());
  const std::string text = kSentence + "\nI eat an apple.";
  CHECK(run_demo({}, text).out == arguments.out);
  CHECK(run_demo({"--file", write_file("same", text)}).out == arguments.out);
  CHECK(run_demo({"--file", write_file("crlf", kSentence + "\r\nI eat an apple.\r\n")}).out == arguments.out);
  CHECK(run_demo({kSentence, "--file", write_file("both", "I eat an apple.\n")}).out == arguments.out);
}

TEST_CASE("option --json writes one object an input with the fields of the translation pipeline") {
  const ProcessResult result = run_demo({"--json", kSentence, "I eat an apple."});
  REQUIRE(result.exit_code == 0);
  const std::vector<json> lines = result.json_lines();
  REQUIRE(lines.size() == 2);
  for (const json& line : lines) {
    CHECK_FALSE(line["translation_text"].get<std::string>().empty());
    CHECK_FALSE(line["output_ids"].empty());
    CHECK(line["timing"]["total_ms"].get<double>() > 0);
    CHECK(line["timing"]["output_tokens"] == line["output_ids"].size());
  }
  CHECK(run_demo({kSentence}).lines()[0] == lines[0]["translation_text"].get<std::string>());
}

TEST_CASE("beams carry a score, greedy results one with --logprobs alone") {
  CHECK(run_demo({"--json", "--num-beams", "2", kSentence}).json_lines()[0].contains("score"));
  CHECK_FALSE(run_demo({"--json", "--num-beams", "1", kSentence}).json_lines()[0].contains("score"));
  const json with = run_demo({"--json", "--num-beams", "1", "--logprobs", kSentence}).json_lines()[0];
  CHECK(with.contains("score"));
  CHECK(with["logprobs"].size() == with["output_ids"].size());
}

TEST_CASE("several sequences become an array, best first") {
  const ProcessResult result =
      run_demo({"--json", "--num-beams", "3", "--num-return-sequences", "3", kSentence});
  const std::vector<json> lines = result.json_lines();
  REQUIRE(lines.size() == 1);
  REQUIRE(lines[0].is_array());
  REQUIRE(lines[0].size() == 3);
  CHECK(lines[0][0]["score"] >= lines[0][1]["score"]);
  CHECK(lines[0][1]["score"] >= lines[0][2]["score"]);
  CHECK(run_demo({"--num-beams", "3", "--num-return-sequences", "3", kSentence}).lines().size() == 3);
}

TEST_CASE("sampling with a seed repeats itself and is one sequence a seed") {
  const std::vector<std::string> sample{"--do-sample", "--temperature", "2.0", "--top-k",
                                        "0",           "--seed",        "7",   kSentence};
  CHECK(run_demo(sample).out == run_demo(sample).out);
}

TEST_CASE("an empty line gives an empty translation") {
  const ProcessResult result = run_demo({"--json"}, kSentence + "\n\n" + kSentence + "\n");
  CHECK(result.exit_code == 0);
  const std::vector<json> lines = result.json_lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[1]["translation_text"] == "");
  CHECK(lines[0]["output_ids"] == lines[2]["output_ids"]);
  CHECK(run_demo({""}).out == "\n");
}

TEST_CASE("one bad input has its error in its place, the others are answered") {
  const std::string input = kSentence + "\nbad \xff byte\n" + kSentence + "\n";
  const ProcessResult result = run_demo({"--json"}, input);
  CHECK(result.exit_code == 65);
  const std::vector<json> lines = result.json_lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].contains("translation_text"));
  CHECK(lines[1]["error"].contains("kind"));
  CHECK(lines[1]["error"].contains("where"));
  CHECK(lines[1]["error"].contains("message"));
  CHECK(lines[2]["output_ids"] == lines[0]["output_ids"]);
  const ProcessResult plain = run_demo({}, input);
  CHECK(plain.exit_code == 65);
  REQUIRE(plain.lines().size() == 3);
  CHECK(plain.lines()[1].empty());
  CHECK_THAT(plain.err, ContainsSubstring("input 2"));
}

TEST_CASE("an input far too long is an error of that input alone") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "the teacher reads a book and ";
  const ProcessResult result = run_demo({"--json", text, kSentence});
  CHECK(result.exit_code == 65);
  REQUIRE(result.json_lines().size() == 2);
  CHECK(result.json_lines()[0].contains("error"));
  CHECK(result.json_lines()[1].contains("translation_text"));
}

TEST_CASE("a missing or empty file of inputs is an error") {
  const std::string empty = write_file("empty", "");
  const std::string missing = scratch("missing") + "/nothing.txt";
  for (const std::string& path : {empty, missing}) {
    const ProcessResult result = run_demo({"--json", "--file", path});
    CHECK(result.exit_code == 65);
    REQUIRE(result.json_lines().size() == 1);
    CHECK(result.json_lines()[0]["error"]["where"] == path);
    CHECK_THAT(run_demo({"--file", path}).err, ContainsSubstring(path));
  }
  CHECK(run_demo({"--json"}, "").json_lines().at(0)["error"]["kind"] == "NO_INPUT");
}

TEST_CASE("a model that is not there, or no model, is bad data") {
  const std::string empty = scratch("not_a_model");
  for (const std::string& path : {empty, empty + "/nothing"}) {
    const ProcessResult result = run_attend({"run", path, "x"});
    CHECK(result.exit_code == 65);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, ContainsSubstring(path));
  }
}

TEST_CASE("threads, data type and instruction set are logged on standard error") {
  const ProcessResult one = run_demo({"--threads", "1", "--dtype", "f32", "--log-level", "info", kSentence});
  CHECK_THAT(one.err, ContainsSubstring("f32"));
  CHECK_THAT(one.err, ContainsSubstring("on 1 thread"));
  const ProcessResult two = run_demo({"--threads", "2", "--log-level", "error", kSentence});
  CHECK(two.err.empty());
  CHECK(one.out == two.out);
}

TEST_CASE("a limit of memory below the weights is refused with both sizes") {
  const ProcessResult result = run_demo({"--max-memory", "64K", kSentence});
  CHECK(result.exit_code == 65);
  CHECK(result.out.empty());
  CHECK(run_demo({"--max-memory", "2G", kSentence}).exit_code == 0);
}

TEST_CASE("the task can be named") {
  CHECK(run_demo({"--task", "translation", kSentence}).out == run_demo({kSentence}).out);
}

const std::string kLlama = std::string(ATTEND_SOURCE_DIR) + "/tests/goldens/llama-tiny";

TEST_CASE(
    "option --score gives log-probabilities, their sum and the perplexity, in the order of the inputs") {
  const ProcessResult result = run_attend({"run", kLlama, "--json", "--score", "--input-ids", "13,57,60,30",
                                           "--input-ids", "5", "--input-ids", "63,3,4"});
  CHECK(result.exit_code == 65);
  const std::vector<json> lines = result.json_lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[1]["error"]["kind"] == "INPUT_TOO_SHORT");
  CHECK(lines[0]["input_ids"] == json({13, 57, 60, 30}));
  CHECK(lines[2]["input_ids"] == json({63, 3, 4}));
  for (const json& line : {lines[0], lines[2]}) {
    const auto logprobs = line["token_logprobs"].get<std::vector<double>>();
    REQUIRE(logprobs.size() + 1 == line["input_ids"].size());
    double sum = 0;
    for (const double logprob : logprobs) sum += logprob;
    CHECK(std::abs(line["score"].get<double>() - sum) < 1e-5);
    const double perplexity = std::exp(-sum / static_cast<double>(logprobs.size()));
    CHECK(std::abs(line["perplexity"].get<double>() / perplexity - 1) < 1e-6);
  }
  const ProcessResult plain = run_attend({"run", kLlama, "--score", "--input-ids", "13,57,60,30"});
  CHECK_THAT(plain.out, ContainsSubstring("perplexity"));
  CHECK(run_demo({"--score", kSentence}).exit_code == 65);
}

TEST_CASE("the value of an option may be anything: a line break, a dash, nothing") {
  const std::vector<std::string> plain = run_demo({"--max-new-tokens", "3", kSentence}).lines();
  for (const std::string stop : {"\n", "--json", "-", "=", ","}) {
    INFO(stop);
    CHECK(run_demo({"--max-new-tokens", "3", "--stop", stop, kSentence}).lines() == plain);
    CHECK(run_demo({"--max-new-tokens", "3", "--stop=" + stop, kSentence}).lines() == plain);
  }
  CHECK(run_demo({"--stop", "", kSentence}).exit_code == 2);
}

TEST_CASE("options that contradict each other are wrong usage, whatever the inputs") {
  for (const std::vector<std::string>& options : {std::vector<std::string>{"--num-return-sequences", "3"},
                                                  {"--do-sample", "--temperature", "0"},
                                                  {"--min-new-tokens", "9", "--max-new-tokens", "3"},
                                                  {"--eos-token-id", "64"}}) {
    std::vector<std::string> call{"run", kLlama, "--json", "--num-beams", "1", "--input-ids", "5"};
    call.insert(call.end(), options.begin(), options.end());
    const ProcessResult result = run_attend(call);
    CHECK(result.exit_code == 2);
    CHECK(result.json_lines().at(0).contains("error"));
  }
}

TEST_CASE("option --top-logprobs lists the likeliest tokens of every step") {
  const json line = run_attend({"run", kLlama, "--json", "--input-ids", "13,57", "--max-new-tokens", "4",
                                "--top-logprobs", "2", "--logprobs"})
                        .json_lines()
                        .at(0);
  REQUIRE(line["top_logprobs"].size() == line["output_ids"].size());
  for (std::size_t i = 0; i < line["output_ids"].size(); ++i) {
    REQUIRE(line["top_logprobs"][i].size() == 2);
    CHECK(line["top_logprobs"][i][0]["token"] == line["output_ids"][i]);
    CHECK(line["top_logprobs"][i][0]["logprob"] == line["logprobs"][i]);
  }
}

TEST_CASE("an input that begins with a dash goes after two dashes") {
  CHECK(run_demo({"--max-new-tokens", "2", "--", "-5", "--json"}).lines().size() == 2);
}

}  // namespace
}  // namespace attend::test
