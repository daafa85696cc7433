// How maps are drawn: text, page and picture, from results made by hand; and the .npy files that come in.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "attend/error.h"
#include "tests/tools/process.h"
#include "tools/cli/attention/heat_map.h"
#include "tools/cli/attention/html.h"
#include "tools/cli/attention/labels.h"
#include "tools/cli/attention/png.h"
#include "tools/cli/npy.h"
#include "tools/cli/npy_reader.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

cli::Panel panel_of(std::vector<std::string> rows, std::vector<std::string> columns) {
  cli::Panel panel{.title = "t", .rows = std::move(rows), .columns = std::move(columns), .weights = {}};
  panel.weights.assign(panel.rows.size() * panel.columns.size(), 0.5F);
  panel.largest = 0.5F;
  return panel;
}

TEST_CASE("heat maps: long labels are cut, many keys go into further blocks, colours on demand") {
  const std::vector<std::string> keys(100, "鍵");
  const cli::Panel panel = panel_of({"一二三四五六七八九十", "e\xCC\x81"}, keys);
  const std::vector<std::string> lines = cli::draw_heat_map(panel, {.width = 80, .colour = false});
  int blocks = 0;
  for (const std::string& line : lines) {
    INFO(line);
    CHECK(cli::display_width(line) <= 80);
    blocks += line.starts_with("一二三四五六七…") ? 1 : 0;
  }
  CHECK(blocks == 4);  // of 29 keys at most
  const std::vector<std::string> coloured = cli::draw_heat_map(panel, {.width = 80, .colour = true});
  CHECK_THAT(coloured.back(), ContainsSubstring("\x1b[48;2;"));
  CHECK_THAT(coloured.back(), ContainsSubstring("\x1b[0m"));
}

TEST_CASE("labels: display width follows East Asian Width, marks take none") {
  CHECK(cli::display_width("abc") == 3);
  CHECK(cli::display_width("先生") == 4);
  CHECK(cli::display_width("ｶﾅ") == 2);
  CHECK(cli::display_width("e\xCC\x81") == 1);
  CHECK(cli::padded("先生です", 5) == "先生…");
  CHECK(cli::padded("先生です", 6) == "先生… ");
  CHECK(cli::characters("e\xCC\x81z").size() == 2);
  const std::vector<AttentionToken> tokens = {{.id = 7, .token = "▁a", .start = 0, .end = 1},
                                              {.id = 8, .token = "</s>"},
                                              {.id = 9, .token = ""},
                                              {.id = 1, .token = "x", .start = 1, .end = 2}};
  CHECK(cli::token_labels(tokens, "a\n") == std::vector<std::string>{"a", "</s>", "9", "↵"});
}

AttentionResult result_with(std::vector<std::string> texts, std::size_t layers) {
  AttentionResult result;
  result.kind = AttentionKind::encoder;
  for (const std::string& text : texts) result.keys.push_back({.id = 1, .token = text});
  result.queries = result.keys;
  const auto n = static_cast<std::int64_t>(texts.size());
  for (std::size_t l = 0; l < layers; ++l) {
    std::vector<float> weights(static_cast<std::size_t>(2 * n * n), 1.0F / static_cast<float>(n));
    result.maps.push_back({.layer = static_cast<std::int64_t>(l),
                           .heads = {0, 1},
                           .weights = Tensor::from(weights, {2, n, n}),
                           .values = {}});
  }
  return result;
}

// The JSON between the page's data tags.
json page_data(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const std::size_t begin = html.find(open) + open.size();
  return json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

TEST_CASE("attention --html: one file, tokens of any script are data and never markup") {
  const std::vector<std::string> texts = {"</script><script>alert(1)", "<!--",  "שלום", "مرحبا",
                                          "👩‍👩‍👧",        "a&b\"'"};
  const cli::PageText page = cli::attention_page("m</title>", result_with(texts, 1));
  CHECK(page.limit.empty());
  CHECK_THAT(page.html, !ContainsSubstring("alert(1)</") && !ContainsSubstring("<script>alert"));
  CHECK_THAT(page.html, !ContainsSubstring("m</title>") && !ContainsSubstring("<!--"));
  CHECK_THAT(page.html, !ContainsSubstring("http:") || ContainsSubstring("http://www.w3.org/2000/svg"));
  CHECK_THAT(page.html,
             !ContainsSubstring("src=") && !ContainsSubstring("href=") && !ContainsSubstring("url("));
  CHECK_THAT(page.html, !ContainsSubstring("innerHTML"));
  CHECK_THAT(page.html, ContainsSubstring("prefers-color-scheme: dark"));
  const json data = page_data(page.html);
  CHECK(data["rows"][0] == "</script><script>alert(1)");
  CHECK(data["model"] == "m</title>");
  // 2 heads of 36 weights, 2 bytes each, in base64; 1/6 is 10923 of 65535, bytes AB 2A.
  CHECK(data["layers"][0]["weights"].get<std::string>().size() == 2 * 36 * 2 / 3 * 4);
  CHECK(data["layers"][0]["weights"].get<std::string>().starts_with("qyqr"));
}

TEST_CASE("attention --html: what would be too large is left out, and the page says so") {
  const AttentionResult result = result_with(std::vector<std::string>(10, "t"), 5);  // 200 weights a layer
  const cli::PageText layers = cli::attention_page("m", result, 500);
  CHECK_THAT(layers.limit, ContainsSubstring("the last 2 of 5 layers"));
  CHECK(page_data(layers.html)["layers"].size() == 2);
  CHECK(page_data(layers.html)["layers"][0]["layer"] == 3);
  CHECK(page_data(layers.html)["limit"] == layers.limit);
  const cli::PageText tokens = cli::attention_page("m", result, 60);
  CHECK_THAT(tokens.limit, ContainsSubstring("the first 5 of 10 queries and 5 of 10 keys"));
  CHECK(page_data(tokens.html)["rows"].size() == 5);
  CHECK(page_data(tokens.html)["layers"].size() == 1);
}

TEST_CASE("pictures beyond the limit are refused before a pixel is made") {
  cli::Panel panel;
  panel.rows.resize(5000);
  panel.columns.resize(5000);
  CHECK_THROWS_AS(cli::write_png("never.png", {panel, panel, panel, panel}), Error);
  CHECK_FALSE(std::filesystem::exists("never.png"));
}

TEST_CASE("npy files that are broken say how") {
  const std::string path = scratch("npy_bad") + "/x.npy";
  const auto error_of = [&](const std::string& bytes) -> std::string {
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      cli::read_npy(path);
    } catch (const Error& error) {
      return error.message();
    }
    return "no error";
  };
  cli::NpyWriter(path).append(Tensor::from(std::vector<float>{1, 2, 3, 4}, {2, 2}));
  const std::string good = read_file(path);
  CHECK(error_of(good) == "no error");
  CHECK_THAT(error_of(good.substr(0, 6)), ContainsSubstring("does not begin"));
  CHECK_THAT(error_of(good.substr(0, 60)), ContainsSubstring("within its header"));
  CHECK_THAT(error_of(good.substr(0, good.size() - 1)), ContainsSubstring("expected 16 bytes"));
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    return error_of(bad);
  };
  CHECK_THAT(replaced("<f4", "<i4"), ContainsSubstring("float32 or float64"));
  CHECK_THAT(replaced("False", "True "), ContainsSubstring("row-major"));
  CHECK_THAT(replaced("(2, 2)", "(2,-2)"), ContainsSubstring("shape"));
  CHECK_THAT(replaced("(2, 2)", "(9999999,9999999)"), ContainsSubstring("larger"));
  CHECK_THAT(replaced("shape", "shapf"), ContainsSubstring("no 'shape'"));
}

}  // namespace
}  // namespace attend::test
