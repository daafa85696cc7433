#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/error.h"
#include "loaders/tokenizers/load_tokenizer.h"
#include "loaders/tokenizers/sentencepiece_model.h"
#include "tests/support/shared_folder.h"
#include "tests/support/temporary_directory.h"

using attend::EncodeOptions;
using attend::Error;
using attend::Tokenizer;
using attend::Truncation;
using attend::test::shared_folder;
using attend::test::TemporaryDirectory;

namespace {

std::vector<nlohmann::json> read_lines(const std::filesystem::path& path) {
  std::vector<nlohmann::json> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

std::filesystem::path marian_folder() {
  return shared_folder() / "tokenizers" / "marian-en-mg";
}

// The checkpoint's files in a directory of the test's own, with another tokenizer_config.json.
std::unique_ptr<Tokenizer> load_with_config(const TemporaryDirectory& directory, const std::string& config) {
  for (const char* name : {"source.spm", "target.spm", "vocab.json"}) {
    std::filesystem::copy_file(marian_folder() / name, directory.path() / name);
  }
  directory.write("tokenizer_config.json", config);
  return attend::load_tokenizer(directory.path());
}

}  // namespace

TEST_CASE("A Marian checkpoint's texts get the reference's ids, tokens and decoded text") {
  ATTEND_SKIP_WITHOUT(marian_folder());
  const auto tokenizer = attend::load_tokenizer(marian_folder());
  REQUIRE(tokenizer != nullptr);
  const auto rows = read_lines(marian_folder() / "expected.jsonl");
  REQUIRE(rows.size() > 100);
  for (const auto& row : rows) {
    const std::string text = row["text"];
    INFO(text);
    EncodeOptions options;
    if (!row["pair"].is_null()) options.pair = row["pair"].get<std::string>();
    const auto encoding = tokenizer->encode(text, options);
    CHECK(encoding.ids == row["ids"].get<std::vector<std::int32_t>>());
    CHECK(encoding.tokens == row["tokens"].get<std::vector<std::string>>());
    CHECK(tokenizer->decode(encoding.ids) == row["decoded"].get<std::string>());
    options.add_special_tokens = false;
    CHECK(tokenizer->encode(text, options).ids == row["ids_no_special"].get<std::vector<std::int32_t>>());
    if (row["target_ids"].is_null()) continue;
    EncodeOptions target;
    target.as_target = true;
    CHECK(tokenizer->encode(text, target).ids == row["target_ids"].get<std::vector<std::int32_t>>());
  }
}

TEST_CASE("Language prefixes and special tokens in a Marian text are tokens of their own") {
  ATTEND_SKIP_WITHOUT(marian_folder());
  const auto tokenizer = attend::load_tokenizer(marian_folder());
  const auto plain = tokenizer->encode("Hello").ids;
  const std::int32_t unknown = tokenizer->token_to_id("<unk>").value();
  const std::int32_t end = tokenizer->token_to_id("</s>").value();
  // This vocabulary has no languages, so the prefix is unknown, and still one token.
  std::vector<std::int32_t> prefixed{unknown};
  prefixed.insert(prefixed.end(), plain.begin(), plain.end());
  CHECK(tokenizer->encode(">>jpn<< Hello").ids == prefixed);
  const auto twice = tokenizer->encode("Hello</s>Hello").ids;
  CHECK(std::count(twice.begin(), twice.end(), end) == 2);
  CHECK(tokenizer->decode(twice) == "Hello Hello");
  CHECK(tokenizer->decode(twice, false) == "Hello</s> Hello</s>");
  CHECK(tokenizer->is_special(end));
  CHECK(tokenizer->model_max_length() == 512);
}

TEST_CASE("Marian's truncation keeps the end token") {
  ATTEND_SKIP_WITHOUT(marian_folder());
  const auto tokenizer = attend::load_tokenizer(marian_folder());
  EncodeOptions options;
  const auto whole = tokenizer->encode("one two three four five six seven").ids;
  options.truncation = Truncation{.max_length = 4};
  const auto cut = tokenizer->encode("one two three four five six seven", options).ids;
  REQUIRE(cut.size() == 4);
  CHECK(std::equal(cut.begin(), cut.begin() + 3, whole.begin()));
  CHECK(cut.back() == whole.back());
}

TEST_CASE("Marian's added tokens and limits come from tokenizer_config.json") {
  ATTEND_SKIP_WITHOUT(marian_folder());
  const TemporaryDirectory directory;
  const auto tokenizer = load_with_config(directory, R"({"model_max_length": 99, "added_tokens_decoder": {
      "0": {"content": "</s>", "special": true}, "1": {"content": "<unk>", "special": true},
      "54687": {"content": "<pad>", "special": true},
      "54688": {"content": "<nl>", "lstrip": true, "rstrip": true, "special": false}},
      "extra_special_tokens": ["<new>"]})");
  CHECK(tokenizer->model_max_length() == 99);
  CHECK(tokenizer->vocab_size() == 54690);
  CHECK(tokenizer->token_to_id("<new>") == 54689);
  CHECK(tokenizer->is_special(54689));
  CHECK_FALSE(tokenizer->is_special(54688));
  const auto ids = tokenizer->encode("Hello <nl> Hello").ids;
  const auto half = tokenizer->encode("Hello").ids;
  std::vector<std::int32_t> expected(half.begin(), half.end() - 1);
  expected.push_back(54688);
  expected.insert(expected.end(), half.begin(), half.end());
  CHECK(ids == expected);
}

TEST_CASE("Malformed Marian files and inputs are refused by name") {
  ATTEND_SKIP_WITHOUT(marian_folder());
  const auto kind_of = [](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.kind();
    }
    return std::string("none");
  };
  const auto tokenizer = attend::load_tokenizer(marian_folder());
  CHECK(kind_of([&] { tokenizer->encode("a\xFF"); }) == "INVALID_UTF8");
  const std::vector<std::int32_t> outside{999999};
  CHECK(kind_of([&] { tokenizer->decode(outside); }) == "TOKEN_ID_RANGE");

  const TemporaryDirectory directory;
  for (const char* name : {"source.spm", "target.spm"}) {
    std::filesystem::copy_file(marian_folder() / name, directory.path() / name);
  }
  const auto load = [&] { attend::load_tokenizer(directory.path()); };
  directory.write("vocab.json", R"({"<unk>": 0, "</s>": 0})");
  CHECK(kind_of(load) == "TOK_ID_DUPLICATE");
  directory.write("vocab.json", R"({"<unk>": 0, "</s>": -1})");
  CHECK(kind_of(load) == "TOK_ID_RANGE");
  directory.write("vocab.json", R"({"<unk>": 0, "</s>": 4294967296})");
  CHECK(kind_of(load) == "TOK_ID_RANGE");
  directory.write("vocab.json", R"({"a": 0, "</s>": 1})");
  CHECK(kind_of(load) == "TOK_UNK_MISSING");
  directory.write("vocab.json", R"({"<unk>": 1, "</s>": 0})");
  CHECK(kind_of(load) == "none");
  for (const std::string_view broken :
       {std::string_view(""), std::string_view("\0", 1), std::string_view("abc")}) {
    directory.write("target.spm", broken);
    CHECK(kind_of(load) == "SPM_MODEL_INVALID");
  }
}
