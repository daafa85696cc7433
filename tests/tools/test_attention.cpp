// attend attention: heat maps, files, word alignments, custom queries, and what it refuses.
#include <png.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/tools/process.h"
#include "tools/cli/attention/labels.h"
#include "tools/cli/npy.h"
#include "tools/cli/npy_reader.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

const char* const kSentence = "The teacher bought a red book yesterday.";

std::string golden(const std::string& name) {
  return std::string(ATTEND_SOURCE_DIR) + "/tests/goldens/" + name;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Tensor run_npy(std::vector<std::string> arguments, const std::string& name) {
  const std::string path = scratch(name) + "/x.npy";
  arguments.insert(arguments.begin(), "attention");
  arguments.insert(arguments.end(), {"--npy", path});
  const ProcessResult result = run_attend(arguments);
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.out.empty());
  return cli::read_npy(path);
}

TEST_CASE("attention --npy: shapes are [heads, queries, keys], one head keeps its dimension") {
  const json expected = json::parse(read_file(golden("marian-tiny/expected.json")));
  const std::vector<std::string> call = {golden("marian-tiny"), "--input-ids", "33,16,59,61,11,54,0",
                                         "--num-beams", "1"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = call;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  CHECK(run_npy(with({"--layer", "0"}), "npy_cross").shape() == Shape{4, 9, 7});  // 9 tokens generated
  CHECK(run_npy(with({"--layer", "1", "--head", "2"}), "npy_head").shape() == Shape{1, 9, 7});
  CHECK(run_npy(with({"--layer", "1", "--kind", "encoder"}), "npy_encoder").shape() == Shape{4, 7, 7});
  const Tensor own = run_npy(with({"--layer", "1", "--kind", "decoder"}), "npy_decoder");
  CHECK(own.shape() == Shape{4, 9, 9});
  CHECK(own.f32()[0] == 1.0F);  // the first step sees the start token alone
  CHECK(own.f32()[1] == 0.0F);
  CHECK(run_npy({golden("llama-tiny"), "--input-ids", "5,6,7,8", "--layer", "1"}, "npy_llama").shape() ==
        Shape{4, 4, 4});
  CHECK(run_npy({golden("bert-tiny"), "--input-ids", "5,6,7"}, "npy_bert").shape() == Shape{4, 3, 3});
  CHECK(run_npy(with({"--layer", "1", "--target-ids", "34,17,0"}), "npy_target").shape() == Shape{4, 3, 7});
}

TEST_CASE("attention draws lines that all have the same width, wide characters or not") {
  const ProcessResult result = run_attend({"attention", demo_model(), kSentence, "--log-level", "warn"});
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.out, ContainsSubstring("cross-attention, layer 1, mean of 4 heads"));
  CHECK_THAT(result.out, !ContainsSubstring("\x1b"));  // no terminal, no colour
  const std::vector<std::string> lines = result.lines();
  REQUIRE(lines.size() > 8);
  int rows = 0;
  for (std::size_t i = 3; i < lines.size(); ++i) {
    INFO(lines[i]);
    CHECK(cli::display_width(lines[i]) <= 80);
    if (lines[i].find("0.") == std::string::npos && lines[i].find("1.00") == std::string::npos) continue;
    CHECK(cli::display_width(lines[i]) == cli::display_width(lines.back()));
    ++rows;
  }
  CHECK(rows == 10);  // 9 pieces and the end
}

// The JSON between the page's data tags.
json page_data(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const std::size_t begin = html.find(open) + open.size();
  return json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

TEST_CASE("attention --html and --png of the demo model") {
  const std::string directory = scratch("attention_files");
  const ProcessResult result =
      run_attend({"attention", demo_model(), kSentence, "--html", directory + "/a.html", "--png",
                  directory + "/a.png", "--layer", "1"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.out.empty());
  const json data = page_data(read_file(directory + "/a.html"));
  CHECK(data["kind"] == "cross");
  CHECK(data["model"] == "en-ja");
  CHECK(data["columns"].back() == "</s>");
  CHECK(data["columns"][1] == "teacher");
  CHECK(data["layers"].size() == 1);
  CHECK(data["layers"][0]["heads"].size() == 4);

  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_file(&image, (directory + "/a.png").c_str()) != 0);
  CHECK(image.width > 400);
  CHECK(image.height > 400);
  image.format = PNG_FORMAT_RGB;
  std::vector<png_byte> pixels(PNG_IMAGE_SIZE(image));
  REQUIRE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) != 0);
  const auto has = [&](int r, int g, int b) {
    for (std::size_t i = 0; i + 2 < pixels.size(); i += 3) {
      if (pixels[i] == r && pixels[i + 1] == g && pixels[i + 2] == b) return true;
    }
    return false;
  };
  CHECK(has(68, 1, 84));     // no weight
  CHECK(has(253, 231, 37));  // the largest
  CHECK(has(60, 60, 67));    // numbers
}

struct Pair {
  int source_start, source_end, target_start, target_end;
};

// The part of a pair's target words that is linked into its source words.
double part_found(const json& alignment, const Pair& pair) {
  const auto within = [](const json& word, int start, int end) {
    return word["start"].get<int>() < end && word["end"].get<int>() > start;
  };
  int words = 0;
  int found = 0;
  for (std::size_t t = 0; t < alignment["target_words"].size(); ++t) {
    if (!within(alignment["target_words"][t], pair.target_start, pair.target_end)) continue;
    ++words;
    for (const json& link : alignment["alignment"]) {
      const json& source = alignment["source_words"][link["source"].get<std::size_t>()];
      if (link["target"] == t && within(source, pair.source_start, pair.source_end)) ++found;
    }
  }
  return words == 0 ? 0.0 : static_cast<double>(found) / words;
}

TEST_CASE("attention --align finds the words that the demo's grammar made of each other") {
  std::ifstream file(golden("alignment/en-ja.tsv"));
  REQUIRE(file);
  std::vector<std::string> sentences;
  std::string input;
  std::string line;
  while (sentences.size() < 80 && std::getline(file, line)) {
    sentences.push_back(line);
    input += line.substr(0, line.find('\t')) + "\n";
  }
  const ProcessResult result =
      run_attend({"attention", demo_model(), "--align", "--json", "--num-beams", "1"}, input);
  REQUIRE(result.exit_code == 0);
  const std::vector<json> alignments = result.json_lines();
  REQUIRE(alignments.size() == sentences.size());
  double found = 0;
  double pairs = 0;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    std::istringstream fields(sentences[i].substr(sentences[i].rfind('\t') + 1));
    if (sentences[i].find("\t" + alignments[i]["translation_text"].get<std::string>() + "\t") ==
        std::string::npos)
      continue;
    for (const json& head : alignments[i]["heads"]) CHECK(head["layer"] == 1);
    Pair p{};
    char c = 0;
    while (fields >> p.source_start >> c >> p.source_end >> c >> p.target_start >> c >> p.target_end) {
      found += part_found(alignments[i], p);
      ++pairs;
    }
  }
  CHECK(pairs > 150);
  CHECK(found / pairs > 0.95);
}

TEST_CASE("attention --align: text for people, spans for programs, heads on demand") {
  const ProcessResult text = run_attend({"attention", demo_model(), "--align", "I eat an apple."});
  REQUIRE(text.exit_code == 0);
  CHECK_THAT(text.out,
             ContainsSubstring("りんご") && ContainsSubstring("apple") && ContainsSubstring("from heads 1:"));
  CHECK_THAT(text.out, !ContainsSubstring("guesses"));  // for heads that tell nothing
  const ProcessResult given =
      run_attend({"attention", demo_model(), "--align", "--json", "--target", "私はりんごを食べます。",
                  "--layer", "1", "--head", "2", "I eat an apple."});
  INFO(given.err);
  REQUIRE(given.exit_code == 0);
  const json alignment = given.json_lines()[0];
  CHECK(alignment["translation_text"] == "私はりんごを食べます。");
  REQUIRE(alignment["heads"].size() == 1);
  CHECK(alignment["heads"][0]["head"] == 2);
  CHECK(alignment["source_words"][3] == json({{"text", "apple"}, {"start", 9}, {"end", 14}}));
  CHECK_THAT(alignment["pharaoh"].get<std::string>(), ContainsSubstring("3-2"));
}

TEST_CASE("attention with queries of one's own") {
  const std::string directory = scratch("attention_query");
  const std::string vectors = directory + "/q.npy";
  std::vector<float> values(2 * 16);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  cli::NpyWriter(vectors).append(Tensor::from(values, {2, 16}));
  const ProcessResult result =
      run_attend({"attention", golden("bert-tiny"), "--input-ids", "5,6,7,8", "--layer", "1", "--query-npy",
                  vectors, "--npy", directory + "/w.npy", "--values-npy", directory + "/v.npy", "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const Tensor weights = cli::read_npy(directory + "/w.npy");
  CHECK(weights.shape() == Shape{4, 2, 4});
  float sum = 0;
  for (const float w : weights.f32().first(4)) sum += w;
  CHECK(std::abs(sum - 1) < 1e-5F);
  CHECK(cli::read_npy(directory + "/v.npy").shape() == Shape{4, 2, 4});
  CHECK(result.json_lines()[0]["maps"][0]["values"].size() == 4);
  // A text asks through the decoder: which source words answer it.
  const ProcessResult text =
      run_attend({"attention", demo_model(), "I eat an apple.", "--query-text", "りんご", "--json"});
  INFO(text.err);
  REQUIRE(text.exit_code == 0);
  CHECK(text.json_lines()[0]["queries"].size() >= 2);
  const ProcessResult shape = run_attend(
      {"attention", golden("bert-tiny"), "--input-ids", "5,6", "--query-npy", directory + "/w.npy"});
  CHECK(shape.exit_code == 2);
  CHECK_THAT(shape.err, ContainsSubstring("QUERY_SHAPE"));
}

TEST_CASE("run --mask-head changes the result, and 1 as scale does not") {
  const std::vector<std::string> call = {"run", golden("llama-tiny"), "--input-ids", "13,57,60", "--json"};
  const auto ids_with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = call;
    all.insert(all.end(), more.begin(), more.end());
    const ProcessResult result = run_attend(all);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return result.json_lines()[0]["output_ids"];
  };
  const json plain = ids_with({});
  CHECK(ids_with({"--mask-head", "0:1=1"}) == plain);
  const ProcessResult unknown =
      run_attend({"run", golden("llama-tiny"), "--input-ids", "13", "--mask-head", "2:0"});
  CHECK(unknown.exit_code == 2);
  CHECK_THAT(unknown.err, ContainsSubstring("decoder attention has 2 layers: expected 0 to 1"));
  CHECK(ids_with({"--mask-head", "decoder:0:0=-20", "--mask-head", "1:3=20"}) != plain);
}

TEST_CASE("attention refuses what it cannot show, and says what there is") {
  const std::string marian = golden("marian-tiny");
  const auto refused = [](std::vector<std::string> arguments, int code, const std::string& message) {
    arguments.insert(arguments.begin(), "attention");
    const ProcessResult result = run_attend(arguments);
    INFO(result.err);
    CHECK(result.exit_code == code);
    CHECK_THAT(result.err, ContainsSubstring(message));
  };
  refused({marian, "--input-ids", "5,0", "--layer", "2"}, 2, "cross attention has 2 layers: expected 0 to 1");
  refused({marian, "--input-ids", "5,0", "--head", "4"}, 2, "4 heads: expected 0 to 3");
  refused({marian, "--input-ids", "5,0", "--kind", "self"}, 2, "expected encoder, decoder or cross");
  refused({golden("bert-tiny"), "--input-ids", "5", "--kind", "cross"}, 2, "it has: encoder");
  refused({golden("bert-tiny"), "--input-ids", "5", "--align"}, 2, "ATTENTION_KIND");
  refused({marian, "--input-ids", "5,0", "--align"}, 65, "TOKENIZER_MISSING");
  refused({marian, "--input-ids", "5,0", "--npy", "/nonexistent/x.npy"}, 65, "/nonexistent/x.npy");
  refused({marian, "--input-ids", "5,0", "--html", "/"}, 65, "OUTPUT");
  refused({marian, "some words"}, 65, "TOKENIZER_MISSING");
  refused({demo_model(), " "}, 65, "INPUT_EMPTY");
  refused({marian, "--input-ids", "5,0", "--mask-head", "7"}, 2, "expected LAYER:HEAD");
  refused({marian, "--input-ids", "5,0", "--mask-head", "cross:0:9"}, 2, "ATTENTION_HEAD");
  refused({marian, "--input-ids", "5,0", "--mask-head", "sideways:0:1"}, 2, "ATTENTION_KIND");
  refused({marian, "--input-ids", "5,0", "--query-npy", marian + "/config.json"}, 65, "NPY_FORMAT");
  refused({marian, "--input-ids", "5,0", "--query-npy", "/nonexistent.npy"}, 65, "INPUT_FILE");
  refused({marian, "--input-ids", "5,0", "--input-ids", "6,0", "--png", "x.png"}, 2, "one input");
  refused({marian, "--input-ids", "5,0", "--layer", "0", "--layer", "1", "--npy", "x.npy"}, 2, "give one");
  refused({marian, "--input-ids", "5,0", "--query-position", "0"}, 2, "--query-npy");
  refused({marian, "--input-ids", "5,0", "--kind", "decoder", "--query-text", "x"}, 2,
          "kind encoder or cross");
  CHECK_FALSE(std::filesystem::exists("x.png"));
}

TEST_CASE("attention --mask-head: the layers above see something else, the layer itself the same") {
  const std::vector<std::string> call = {golden("bert-tiny"), "--input-ids", "5,6,7,8"};
  const auto weights = [&](const char* layer, bool masked) {
    std::vector<std::string> all = call;
    all.insert(all.end(), {"--layer", layer});
    if (masked) all.insert(all.end(), {"--mask-head", "0:2"});
    const Tensor tensor = run_npy(all, "mask_head");
    return std::vector<float>(tensor.f32().begin(), tensor.f32().end());
  };
  CHECK(weights("0", true) == weights("0", false));
  CHECK(weights("1", true) != weights("1", false));
}

TEST_CASE("attention --target behind a prompt, and a query text over a translation's source") {
  CHECK(
      run_npy({golden("llama-tiny"), "--input-ids", "5,6,7", "--target-ids", "8,9"}, "npy_behind").shape() ==
      Shape{4, 5, 5});
  const ProcessResult result = run_attend({"attention", demo_model(), "I eat an apple.", "--query-text",
                                           "私はりんご", "--json", "--log-level", "warn"});
  REQUIRE(result.exit_code == 0);
  const json map = result.json_lines()[0];
  std::size_t row = 0;
  while (row < map["queries"].size() && map["queries"][row]["token"] != "りんご") ++row;
  REQUIRE(row < map["queries"].size());
  std::vector<double> mean(map["keys"].size());
  for (const json& head : map["maps"][0]["weights"]) {
    for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += head[row][k].get<double>() / 4;
  }
  const auto best = static_cast<std::size_t>(std::ranges::max_element(mean) - mean.begin());
  CHECK_THAT(map["keys"][best]["token"].get<std::string>(),
             ContainsSubstring("apple") || ContainsSubstring("ple"));
}

TEST_CASE("Ctrl-C ends attention with 130") {
  Process process({"attention", demo_model(), "--align"});
  process.write("I eat an apple.\n");
  CHECK_THAT(process.read_line(), ContainsSubstring("apple"));
  process.signal(SIGINT);
  CHECK(process.wait().exit_code == 130);
}

TEST_CASE("one bad input among many to attention has its own line") {
  const ProcessResult result =
      run_attend({"attention", demo_model(), "--align", "--json"}, "I eat an apple.\n \nWe dance.\n");
  CHECK(result.exit_code == 65);
  const std::vector<json> lines = result.json_lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[1]["error"]["kind"] == "INPUT_EMPTY");
  CHECK(lines[2].contains("alignment"));
}

}  // namespace
}  // namespace attend::test
