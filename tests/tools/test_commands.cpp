// attend inspect, tokenize and bench.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

const std::string kSentence = "The teacher reads a book in the library.";

TEST_CASE("inspect tells what the model is") {
  const ProcessResult result =
      run_attend({"inspect", demo_model(), "--json", "--threads", "1", "--dtype", "f32"});
  REQUIRE(result.exit_code == 0);
  REQUIRE(result.json_lines().size() == 1);
  const json info = result.json_lines()[0];
  CHECK(info["architecture"] == "MarianMTModel");
  CHECK(info["model_type"] == "marian");
  CHECK(info["task"] == "translation");
  CHECK(info["dtype"] == "f32");
  CHECK(info["threads"] == 1);
  CHECK(info["parameters"].get<std::int64_t>() > 100'000);
  CHECK(info["weights_bytes"].get<std::int64_t>() > info["parameters"].get<std::int64_t>());
  const ProcessResult text = run_attend({"inspect", demo_model()});
  CHECK(text.exit_code == 0);
  CHECK_THAT(text.out, ContainsSubstring("MarianMTModel"));
}

TEST_CASE("inspect without a model directory is bad data") {
  const ProcessResult result = run_attend({"inspect", scratch("inspect") + "/nothing"});
  CHECK(result.exit_code == 65);
  CHECK(result.out.empty());
}

TEST_CASE("tokenize: ids, tokens, and the text of ids") {
  const ProcessResult encoded = run_attend({"tokenize", demo_model(), "--json", kSentence});
  REQUIRE(encoded.exit_code == 0);
  const json with = encoded.json_lines().at(0);
  CHECK(with["ids"].size() == with["tokens"].size());
  const ProcessResult without_result =
      run_attend({"tokenize", demo_model(), "--json", "--no-special-tokens", kSentence});
  const json without = without_result.json_lines().at(0);
  REQUIRE(with["ids"].size() == without["ids"].size() + 1);  // Marian ends with </s>
  CHECK(with["tokens"].back() == "</s>");

  // The ids that the model gets for the text are those of --input-ids.
  std::string ids;
  for (const json& id : with["ids"]) ids += (ids.empty() ? "" : ",") + id.dump();
  const ProcessResult by_ids = run_attend({"run", demo_model(), "--input-ids", ids});
  CHECK(by_ids.out == run_attend({"run", demo_model(), kSentence}).out);

  const ProcessResult translated = run_attend({"run", demo_model(), "--json", kSentence});
  const json translation = translated.json_lines().at(0);
  std::string output_ids;
  for (const json& id : translation["output_ids"]) output_ids += (output_ids.empty() ? "" : ",") + id.dump();
  const ProcessResult decoded = run_attend({"tokenize", demo_model(), "--json", "--decode", output_ids});
  CHECK(decoded.json_lines().at(0)["text"] == translation["translation_text"]);
  CHECK(run_attend({"tokenize", demo_model(), "--decode", output_ids}).lines().at(0) ==
        translation["translation_text"].get<std::string>());
}

TEST_CASE("tokenize: lines of standard input, one bad among them") {
  const ProcessResult result = run_attend({"tokenize", demo_model(), "--json"}, "I eat.\n\xc3(\n\nI eat.\n");
  CHECK(result.exit_code == 65);
  const auto lines = result.json_lines();
  REQUIRE(lines.size() == 4);
  CHECK(lines[1].contains("error"));
  CHECK(lines[2]["ids"].size() == 1);  // an empty line: </s>
  CHECK(lines[3] == lines[0]);
}

TEST_CASE("tokenize: wrong ids, no tokenizer") {
  CHECK(run_attend({"tokenize", demo_model(), "--decode", "1,999999999"}).exit_code == 65);
  CHECK(run_attend({"tokenize", demo_model(), "--decode", "1,x"}).exit_code == 2);
  const std::string empty = scratch("no_tokenizer");
  const ProcessResult result = run_attend({"tokenize", empty, "x"});
  CHECK(result.exit_code == 65);
  CHECK_THAT(result.err, ContainsSubstring(empty));
}

TEST_CASE("tokenize works where tokenizer files are alone") {
  const char* shared = std::getenv("ATTEND_SHARED");
  const std::string root = shared != nullptr ? shared : std::string(ATTEND_SOURCE_DIR) + "/../shared";
  const std::string directory = root + "/tokenizers/marian-en-mg";
  if (!std::filesystem::exists(directory)) SKIP("there is no " << directory);
  std::ifstream expected(directory + "/expected.jsonl");
  std::vector<json> rows;
  std::vector<std::string> arguments{"tokenize", directory, "--json", "--"};
  for (std::string line; std::getline(expected, line);) {
    rows.push_back(json::parse(line));
    if (!rows.back()["pair"].is_null()) {
      rows.pop_back();
      continue;
    }
    arguments.push_back(rows.back()["text"]);
  }
  const ProcessResult result = run_attend(arguments);
  CHECK(result.exit_code == 0);
  const auto lines = result.json_lines();
  REQUIRE(lines.size() == rows.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    INFO(rows[i]["text"].dump());
    CHECK(lines[i]["ids"] == rows[i]["ids"]);
    CHECK(lines[i]["tokens"] == rows[i]["tokens"]);
  }
}

TEST_CASE("tokenize --chat renders the template of a directory that holds nothing else") {
  const std::string directory = scratch("chat");
  std::ofstream(directory + "/chat_template.jinja")
      << "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if tools %}{{ tools | length "
         "}} tools\n"
         "{% endif %}{{ strftime_now('%d %b %Y') }}{% if add_generation_prompt %}<assistant>{% endif %}";
  std::ofstream(directory + "/messages.json") << R"([{"role": "user", "content": "Hello"}])";
  std::ofstream(directory + "/tools.json") << R"([{"name": "a"}, {"name": "b"}])";
  const std::vector<std::string> call{
      "tokenize", directory, "--chat", directory + "/messages.json", "--now", "2024-07-26T12:34:56"};
  CHECK(run_attend(call).out == "<user>Hello\n26 Jul 2024\n");
  std::vector<std::string> more = call;
  more.insert(more.end(), {"--json", "--add-generation-prompt", "--tools", directory + "/tools.json"});
  CHECK(run_attend(more).json_lines().at(0)["prompt"] == "<user>Hello\n2 tools\n26 Jul 2024<assistant>");

  CHECK(run_attend({"tokenize", demo_model(), "--chat", directory + "/messages.json"}).exit_code == 65);
  CHECK(run_attend({"tokenize", directory, "--chat", directory + "/nothing.json"}).exit_code == 65);
  CHECK(run_attend({"tokenize", directory, "--now", "2024-07-26T12:34:56", "x"}).exit_code == 2);
  std::ofstream(directory + "/messages.json") << "[{";
  CHECK(run_attend(call).exit_code == 65);
}

TEST_CASE("bench: the last line of --json has figures that agree with each other") {
  const ProcessResult result = run_attend({"bench", demo_model(), "--json", "--repetitions", "1",
                                           "--batch-size", "2", "--num-beams", "2", "--max-new-tokens", "8",
                                           "--threads", "1", kSentence, "I eat an apple.", "It is red."});
  REQUIRE(result.exit_code == 0);
  const json figures = json::parse(result.lines().back());
  CHECK(figures["items"] == 3);
  CHECK(figures["batch_size"] == 2);
  CHECK(figures["output_tokens"].get<int>() <= 3 * 8);  // one sequence an input: beams are not counted
  for (const char* key : {"tokens_per_second", "prefill_tokens_per_second", "items_per_second",
                          "latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "measured_peak_gbs",
                          "measured_peak_gflops", "load_ms", "peak_rss_bytes"}) {
    INFO(key);
    CHECK(figures[key].get<double>() > 0);
  }
  CHECK(figures.contains("decode_tokens_per_second"));
  CHECK(figures["latency_p50_ms"] <= figures["latency_p90_ms"]);
  CHECK(figures["latency_p90_ms"] <= figures["latency_max_ms"]);
  const double ratio = figures["tokens_per_second"].get<double>() / figures["items_per_second"].get<double>();
  CHECK(std::abs(ratio - figures["output_tokens"].get<double>() / 3) < 1e-6 * ratio);
}

TEST_CASE("bench: random prompts, and wrong calls") {
  const ProcessResult result =
      run_attend({"bench", demo_model(), "--json", "--prompt-tokens", "7", "--batch-size", "3",
                  "--repetitions", "1", "--max-new-tokens", "2"});
  REQUIRE(result.exit_code == 0);
  CHECK(json::parse(result.lines().back())["input_tokens"] == 21);
  CHECK(run_attend({"bench", demo_model(), "--prompt-tokens", "7", "text"}).exit_code == 2);
  CHECK(run_attend({"bench", demo_model(), "--repetitions", "0"}).exit_code == 2);
  CHECK(run_attend({"bench", demo_model(), "--prompt-tokens", "100000"}).exit_code == 2);
}

}  // namespace
}  // namespace attend::test
