// Tokenizers that must be refused by name: rows T01 to T08 of the table of malformed model directories.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/error.h"
#include "loaders/load_model.h"
#include "loaders/tokenizers/tokenizer_json.h"
#include "tests/support/temporary_directory.h"

using attend::Error;
using attend::load_tokenizer_json;
using attend::Tokenizer;
using attend::test::TemporaryDirectory;
using nlohmann::json;

namespace {

// A tokenizer that loads; each test breaks one thing.
json valid_tokenizer() {
  return json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
    "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "vocab": {"[UNK]": 0, "a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]],
              "unk_token": "[UNK]"}
  })");
}

std::unique_ptr<Tokenizer> load_text(const std::string& text) {
  const TemporaryDirectory directory;
  directory.write("tokenizer.json", text);
  return load_tokenizer_json(directory.path());
}

// Kind of the error that loading gives; its message must name `named`.
std::string kind_of(const std::string& text, const std::string& named = "") {
  try {
    load_text(text);
  } catch (const Error& error) {
    INFO(error.what());
    CHECK(std::string(error.what()).find(named) != std::string::npos);
    CHECK(error.where().find("tokenizer.json") != std::string::npos);
    CHECK(error.category() == attend::ErrorCategory::data);
    return error.kind();
  }
  return "accepted";
}

std::string kind_with(const std::function<void(json&)>& change, const std::string& named = "") {
  json tokenizer = valid_tokenizer();
  change(tokenizer);
  return kind_of(tokenizer.dump(), named);
}

json added_token(const std::string& content, const json& id = 9) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", false}};
}

json split(const std::string& pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

}  // namespace

TEST_CASE("The tokenizer that the malformed ones are made from loads") {
  const auto tokenizer = load_text(valid_tokenizer().dump());
  CHECK(tokenizer->encode("AB ba x").ids == std::vector<std::int32_t>{3, 2, 1, 0});
}

TEST_CASE("T01: component types and values that are not known") {
  const json unknown = {{"type", "Frobnicate"}};
  for (const char* key : {"normalizer", "pre_tokenizer", "decoder", "model", "post_processor"}) {
    CHECK(kind_with([&](json& t) { t[key] = unknown; }, "Frobnicate") == "TOK_COMPONENT_UNSUPPORTED");
    CHECK(kind_with([&](json& t) { t[key] = json::object(); }) == "TOK_COMPONENT_UNSUPPORTED");
    CHECK(kind_with([&](json& t) { t[key] = "BPE"; }) == "TOK_COMPONENT_PARAM");
  }
  const auto nested = [&](const char* key, const char* list) {
    return kind_with([&](json& t) { t[key] = {{"type", "Sequence"}, {list, {unknown}}}; }, "Frobnicate");
  };
  CHECK(nested("normalizer", "normalizers") == "TOK_COMPONENT_UNSUPPORTED");
  CHECK(nested("pre_tokenizer", "pretokenizers") == "TOK_COMPONENT_UNSUPPORTED");
  CHECK(nested("decoder", "decoders") == "TOK_COMPONENT_UNSUPPORTED");
  CHECK(nested("post_processor", "processors") == "TOK_COMPONENT_UNSUPPORTED");
  CHECK(kind_with([](json& t) { t["normalizer"]["locale"] = "tr"; }, "locale") ==
        "TOK_COMPONENT_UNSUPPORTED");
  CHECK(kind_with([](json& t) { t["model"]["dropout"] = 0.1; }, "dropout") == "TOK_COMPONENT_UNSUPPORTED");
  CHECK(kind_with(
            [](json& t) {
              t["pre_tokenizer"] = {{"type", "Punctuation"}, {"behavior", "Sideways"}};
            },
            "Sideways") == "TOK_COMPONENT_UNSUPPORTED");
  CHECK(kind_with([](json& t) { t["version"] = "2.0"; }, "2.0") == "TOK_COMPONENT_UNSUPPORTED");
  CHECK(kind_with([](json& t) { t["surprise"] = 1; }, "surprise") == "TOK_COMPONENT_UNSUPPORTED");
}

TEST_CASE("T02: ids out of range, and ids given twice") {
  for (const json& id : {json(-1), json(4294967296), json(2147483648), json(1.0), json("1"), json(nullptr)}) {
    CHECK(kind_with([&](json& t) { t["model"]["vocab"]["b"] = id; }) == "TOK_ID_RANGE");
    CHECK(kind_with([&](json& t) { t["added_tokens"] = {added_token("x", id)}; }) == "TOK_ID_RANGE");
  }
  CHECK(kind_with([](json& t) { t["model"]["vocab"]["b"] = 1; }) == "TOK_ID_DUPLICATE");
  CHECK(kind_with([](json& t) {
          t["added_tokens"] = {added_token("x"), added_token("y")};
        }) == "TOK_ID_DUPLICATE");
  // Gaps are allowed.
  json gaps = valid_tokenizer();
  gaps["model"]["vocab"]["ab"] = 1000;
  CHECK(load_text(gaps.dump())->vocab_size() == 1001);
}

TEST_CASE("T02: a tokenizer with ids that the model has no embedding for") {
  const std::filesystem::path golden =
      std::filesystem::path(ATTEND_SOURCE_DIR) / "tests" / "goldens" / "llama-tiny";  // 64 rows
  const auto kind_with = [&](const json& tokenizer) -> std::string {
    const TemporaryDirectory directory;
    for (const char* file : {"config.json", "model.safetensors"})
      std::filesystem::create_symlink(golden / file, directory / file);
    directory.write("tokenizer.json", tokenizer.dump());
    try {
      const attend::LoadedModel loaded = attend::load_model(directory.path());
      CHECK(loaded.tokenizer != nullptr);
    } catch (const Error& error) {
      return error.kind();
    }
    return "";
  };
  json tokenizer = valid_tokenizer();
  tokenizer["model"]["vocab"]["c"] = 63;
  CHECK(kind_with(tokenizer).empty());
  tokenizer["model"]["vocab"]["c"] = 64;
  CHECK(kind_with(tokenizer) == "TOK_VOCAB_MISMATCH");
  tokenizer["model"]["vocab"]["c"] = 63;
  tokenizer["added_tokens"] = {{{"id", 64},
                                {"content", "<pad>"},
                                {"single_word", false},
                                {"lstrip", false},
                                {"rstrip", false},
                                {"normalized", false},
                                {"special", true}}};
  CHECK(kind_with(tokenizer).empty());  // a warning
}

TEST_CASE("T03: merges that are no pairs, or not in the vocabulary, or too many") {
  const auto merges = [](const json& value) {
    return kind_with([&](json& t) { t["model"]["merges"] = value; });
  };
  CHECK(merges(json::array({json::array({"a"})})) == "TOK_MERGE_FORM");
  CHECK(merges(json::array({json::array({"a", "b", "c"})})) == "TOK_MERGE_FORM");
  CHECK(merges(json::array({json::array({"a", 1})})) == "TOK_MERGE_FORM");
  CHECK(merges({"ab"}) == "TOK_MERGE_FORM");
  CHECK(merges({"a b c"}) == "TOK_MERGE_FORM");
  CHECK(merges({7}) == "TOK_MERGE_FORM");
  CHECK(merges({"a z"}) == "TOK_MERGE_OOV");
  CHECK(merges(json::array({json::array({"b", "a"})})) == "TOK_MERGE_OOV");
  CHECK(merges("a b") == "TOK_COMPONENT_PARAM");
  std::string many = R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[0)";
  for (int i = 0; i < 5'000'000; ++i) many += ",0";
  CHECK(kind_of(many + "]}}") == "TOK_LIMIT");
}

TEST_CASE("T04: patterns") {
  const auto pattern = [](const std::string& text) {
    return kind_with([&](json& t) { t["pre_tokenizer"] = split(text); });
  };
  CHECK(pattern(std::string(10000, '(')) == "TOK_REGEX_UNSUPPORTED");
  CHECK(pattern("(") == "TOK_REGEX_INVALID");
  CHECK(pattern("[z-a]") == "TOK_REGEX_INVALID");
  CHECK(pattern("(a)\\1") == "TOK_REGEX_UNSUPPORTED");
  CHECK(pattern(std::string(100'000, 'a')) == "TOK_REGEX_UNSUPPORTED");
  // These are matched in linear time, and give what they should.
  json tokenizer = valid_tokenizer();
  tokenizer["pre_tokenizer"] = split("(a+)+$");
  CHECK(load_text(tokenizer.dump())->encode(std::string(100'000, 'a') + "b").ids.size() == 100'000);
  tokenizer["pre_tokenizer"] = split("(?<=a)b");
  CHECK(load_text(tokenizer.dump())->encode("abb").ids == std::vector<std::int32_t>{1, 2, 2});
}

TEST_CASE("T05: byte tokens that stand for no byte") {
  for (const char* token : {"<0x-1>", "<0xZZ>", "<0x100>", "<0x>", "<0x1>"}) {
    const auto with_token = [&](json& t) {
      t["model"]["vocab"][token] = 4;
      t["model"]["byte_fallback"] = true;
    };
    CHECK(kind_with(with_token, token) == "TOK_BYTE_TOKEN");
  }
  CHECK(kind_with([](json& t) { t["model"]["vocab"]["<0xZZ>"] = 4; }) == "accepted");
}

TEST_CASE("T06: precompiled tables") {
  const auto table = [](const std::string& base64) {
    return kind_with([&](json& t) {
      t["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", base64}};
    });
  };
  CHECK(table("") == "TOK_CHARSMAP");
  CHECK(table("!!!!") == "TOK_CHARSMAP");
  CHECK(table("AAA") == "TOK_CHARSMAP");
  CHECK(table("AAAA") == "TOK_CHARSMAP");          // three bytes
  CHECK(table("AAAAAA==") == "TOK_CHARSMAP");      // a trie of no bytes
  CHECK(table("/////wAAAAA=") == "TOK_CHARSMAP");  // a trie of 4 GiB
  CHECK(table("BAAAAAABAAD/") == "TOK_CHARSMAP");  // replacements that are not UTF-8
  // Units that lead outside of the trie: the root, and one without a replacement of its own.
  CHECK(table("BAAAAAAAQAA=") == "TOK_CHARSMAP");
  CHECK(table("CAAAAAAAAAABAEAA") == "TOK_CHARSMAP");
  CHECK(table("BAAAAP////9hAA==") == "TOK_CHARSMAP");  // its one unit points outside
}

TEST_CASE("T07: parameters that contradict each other") {
  const auto post = [](const std::string& text) {
    return kind_with([&](json& t) { t["post_processor"] = json::parse(text); });
  };
  CHECK(post(R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}],
                 "pair": [], "special_tokens": {}})") == "TOK_COMPONENT_PARAM");
  CHECK(post(R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B", "type_id": 0}}],
                 "pair": [], "special_tokens": {}})") == "TOK_COMPONENT_PARAM");
  CHECK(post(R"({"type": "TemplateProcessing", "single": [], "pair": [],
                 "special_tokens": {"x": {"id": "x", "ids": [1, 2], "tokens": ["x"]}}})") ==
        "TOK_COMPONENT_PARAM");
  CHECK(post(R"({"type": "BertProcessing", "sep": ["[SEP]"], "cls": ["[CLS]", 1]})") ==
        "TOK_COMPONENT_PARAM");
  CHECK(kind_with([](json& t) {
          t["pre_tokenizer"] = {{"type", "FixedLength"}, {"length", 0}};
        }) == "TOK_COMPONENT_PARAM");
  CHECK(kind_with([](json& t) {
          t["decoder"] = {{"type", "Strip"}, {"content", " "}, {"start", 1'000'000'000}, {"stop", 0}};
        }) == "TOK_COMPONENT_PARAM");
  CHECK(kind_with([](json& t) {
          t["truncation"] = {
              {"max_length", 4}, {"stride", 4}, {"strategy", "LongestFirst"}, {"direction", "Right"}};
        }) == "TOK_COMPONENT_PARAM");
  CHECK(kind_with([](json& t) {
          t["truncation"] = {{"max_length", -4}, {"stride", 0}, {"strategy", "LongestFirst"}};
        }) == "TOK_COMPONENT_PARAM");
  // A Strip longer than its token takes what there is.
  json tokenizer = valid_tokenizer();
  tokenizer["decoder"] = {{"type", "Strip"}, {"content", "a"}, {"start", 5}, {"stop", 5}};
  CHECK(load_text(tokenizer.dump())->decode(std::vector<std::int32_t>{1, 3}) == "b");
}

TEST_CASE("T08: added tokens") {
  CHECK(kind_with([](json& t) { t["added_tokens"] = {added_token("")}; }) == "TOK_ADDED_TOKEN");
  CHECK(kind_with([](json& t) { t["added_tokens"] = {added_token(std::string(1 << 20, 'x'))}; }) ==
        "TOK_ADDED_TOKEN");
  CHECK(kind_with(
            [](json& t) {
              t["added_tokens"] = {added_token("x")};
              t["added_tokens"][0].erase("lstrip");
            },
            "lstrip") == "TOK_COMPONENT_PARAM");
  std::string bad = valid_tokenizer().dump();
  bad.replace(bad.find("\"added_tokens\":[]"), 17, "\"added_tokens\":[{\"id\":9,\"content\":\"\xFF\"}]");
  CHECK(kind_of(bad) == "TOK_JSON_UTF8");
}

TEST_CASE("Files that are no tokenizer.json at all") {
  CHECK(kind_of("") == "TOK_JSON_SYNTAX");
  CHECK(kind_of("[]") == "TOK_COMPONENT_PARAM");
  CHECK(kind_of("{}") == "TOK_COMPONENT_PARAM");
  CHECK(kind_of(R"({"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}})") == "TOK_JSON_DUPLICATE");
  CHECK(kind_of(std::string(100'000, '[')) == "TOK_JSON_DEPTH");
  const TemporaryDirectory empty;
  CHECK_THROWS_AS(load_tokenizer_json(empty.path()), Error);
}

TEST_CASE("Normalizers and decoders whose text grows without end are stopped") {
  const auto repeated = [](const json& part, int times) {
    json parts = json::array();
    for (int i = 0; i < times; ++i) parts.push_back(part);
    return parts;
  };
  const json twice = {{"type", "Replace"}, {"pattern", {{"Regex", "."}}}, {"content", "aa"}};
  const json before = {{"type", "Prepend"}, {"prepend", std::string(1 << 18, 'a')}};
  for (const json& part : {twice, before}) {
    json tokenizer = valid_tokenizer();
    tokenizer["normalizer"] = {{"type", "Sequence"}, {"normalizers", repeated(part, 100)}};
    const auto loaded = load_text(tokenizer.dump());
    try {
      loaded->encode("a b");
      CHECK(false);
    } catch (const Error& error) {
      CHECK(error.kind() == "TOK_LIMIT");
      CHECK(error.category() == attend::ErrorCategory::data);
    }
  }
  json tokenizer = valid_tokenizer();
  tokenizer["decoder"] = {{"type", "Sequence"}, {"decoders", repeated(twice, 100)}};
  try {
    load_text(tokenizer.dump())->decode(std::vector<std::int32_t>{1, 2});
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.kind() == "TOK_LIMIT");
  }
}

TEST_CASE("Tokenizers of more components than any needs") {
  const auto many = [](const char* kind, const char* key, const char* type) {
    json parts = json::array();
    for (int i = 0; i < 1001; ++i) parts.push_back({{"type", type}});
    return kind_with([&](json& t) { t[kind] = {{"type", "Sequence"}, {key, parts}}; }, "1000");
  };
  CHECK(many("normalizer", "normalizers", "NFC") == "TOK_LIMIT");
  CHECK(many("pre_tokenizer", "pretokenizers", "Whitespace") == "TOK_LIMIT");
  CHECK(many("decoder", "decoders", "Fuse") == "TOK_LIMIT");
  json pieces = json::array();
  for (int i = 0; i < 1001; ++i) pieces.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  CHECK(kind_with([&](json& t) {
          t["post_processor"] = {{"type", "TemplateProcessing"},
                                 {"single", pieces},
                                 {"pair", json::array()},
                                 {"special_tokens", json::object()}};
        }) == "TOK_LIMIT");
}

// The class takes the model's vocabulary alone from the file.
TEST_CASE("What LlamaTokenizer does not use of its file is refused all the same") {
  const auto kind_with = [](const std::function<void(json&)>& change) -> std::string {
    const TemporaryDirectory directory;
    directory.write("config.json", R"({"model_type": "llama"})");
    directory.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
    json tokenizer = valid_tokenizer();
    tokenizer["pre_tokenizer"] = nullptr;
    change(tokenizer);
    directory.write("tokenizer.json", tokenizer.dump());
    try {
      load_tokenizer_json(directory.path());
    } catch (const Error& error) {
      return error.kind();
    }
    return "accepted";
  };
  CHECK(kind_with([](json&) {}) == "accepted");
  for (const char* part : {"normalizer", "pre_tokenizer", "decoder", "model"}) {
    INFO(part);
    CHECK(kind_with([&](json& t) { t[part]["type"] = "Sorcery"; }) == "TOK_COMPONENT_UNSUPPORTED");
  }
  CHECK(kind_with([](json& t) { t["model"]["dropout"] = 0.5; }) == "TOK_COMPONENT_UNSUPPORTED");
  CHECK(kind_with([](json& t) { t["pre_tokenizer"] = split("("); }) == "TOK_REGEX_INVALID");
  CHECK(kind_with([](json& t) { t["added_tokens"] = {added_token("")}; }) == "TOK_ADDED_TOKEN");
}

TEST_CASE("Links that lead nowhere are refused, not passed over") {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "config.json"}) {
    INFO(name);
    const TemporaryDirectory directory;
    directory.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
    directory.write("tokenizer.json", valid_tokenizer().dump());
    for (const char* target : {name, "no such file"}) {  // a link to itself, and one to nothing
      std::filesystem::remove(directory / name);
      std::filesystem::create_symlink(target, directory / name);
      try {
        load_tokenizer_json(directory.path());
        CHECK(false);
      } catch (const Error& error) {
        CHECK(error.category() == attend::ErrorCategory::data);
        CHECK(error.where() == (directory / name).string());
      }
    }
  }
}

TEST_CASE("A megabyte of one letter is tokenized, whatever the model") {
  const std::string letters(1 << 20, 'a');
  json tokenizer = valid_tokenizer();
  tokenizer["model"]["vocab"]["aa"] = 4;
  tokenizer["model"]["merges"].push_back(json::array({"a", "a"}));
  CHECK(load_text(tokenizer.dump())->encode(letters).ids.size() == letters.size() / 2);
  tokenizer["model"] = {{"type", "Unigram"},
                        {"unk_id", 0},
                        {"vocab", json::parse(R"([["?", 0.0], ["a", -1.0], ["aaa", -2.0]])")}};
  CHECK(load_text(tokenizer.dump())->encode(letters).ids.size() == letters.size() / 3 + 1);
  tokenizer["model"] = {{"type", "WordPiece"},
                        {"unk_token", "[UNK]"},
                        {"continuing_subword_prefix", "##"},
                        {"max_input_chars_per_word", 2'000'000},
                        {"vocab", {{"[UNK]", 0}, {"a", 1}, {"##a", 2}, {"##aab", 3}}}};
  CHECK(load_text(tokenizer.dump())->encode(letters).ids.size() == letters.size());
}
