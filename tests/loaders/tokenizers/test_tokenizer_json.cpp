#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "attend/error.h"
#include "loaders/tokenizers/load_tokenizer.h"
#include "loaders/tokenizers/tokenizer_json.h"
#include "tests/loaders/tokenizers/recorded_encodings.h"
#include "tests/support/shared_folder.h"
#include "tests/support/temporary_directory.h"

using attend::EncodeOptions;
using attend::Encoding;
using attend::Error;
using attend::Tokenizer;
using attend::Truncation;
using attend::test::encoding_difference;
using attend::test::read_json_lines;
using attend::test::shared_folder;
using attend::test::TemporaryDirectory;

namespace {

std::filesystem::path golden_folder() {
  return std::filesystem::path(ATTEND_SOURCE_DIR) / "tests" / "goldens" / "tokenizers";
}

std::vector<std::filesystem::path> folders_with(const std::filesystem::path& root, const std::string& name) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root))
    if (entry.path().filename() == name) found.push_back(entry.path().parent_path());
  std::sort(found.begin(), found.end());
  return found;
}

// With the truncation and padding that the file stores.
Encoding encode_as_stored(const Tokenizer& tokenizer, const std::string& text, EncodeOptions options) {
  options.truncation = tokenizer.stored_truncation();
  Encoding encoding = tokenizer.encode(text, options);
  if (const auto padding = tokenizer.stored_padding()) attend::pad_encodings({&encoding, 1}, *padding);
  return encoding;
}

EncodeOptions options_of(const nlohmann::json& row) {
  EncodeOptions options;
  if (row.contains("pair") && !row["pair"].is_null()) options.pair = row["pair"].get<std::string>();
  options.add_special_tokens = row.value("add_special_tokens", true);
  return options;
}

// One row of ../shared/tokenizers; files of components/ are recorded with their truncation and padding.
void check_shared_row(const Tokenizer& tokenizer, const nlohmann::json& row, bool as_stored) {
  const std::string text = row["text"];
  INFO("text " << row["text"].dump());
  EncodeOptions options = options_of(row);
  const auto encode = [&] {
    return as_stored ? encode_as_stored(tokenizer, text, options) : tokenizer.encode(text, options);
  };
  if (row.contains("error")) {
    CHECK_THROWS_AS(encode(), Error);
    return;
  }
  const Encoding encoding = encode();
  CHECK(encoding_difference(encoding, row) == "");
  if (!row["decoded"].is_null()) CHECK(tokenizer.decode(encoding.ids) == row["decoded"].get<std::string>());
  options.add_special_tokens = false;
  CHECK(encode().ids == row["ids_no_special"].get<std::vector<std::int32_t>>());
}

}  // namespace

TEST_CASE("Tiny tokenizers of every component agree with the reference") {
  const auto folders = folders_with(golden_folder(), "expected.jsonl");
  REQUIRE(folders.size() >= 14);
  for (const auto& folder : folders) {
    const auto tokenizer = attend::load_tokenizer(folder);
    REQUIRE(tokenizer != nullptr);
    for (const auto& row : read_json_lines(folder / "expected.jsonl")) {
      INFO(folder.filename().string() << ", text " << row["text"].dump());
      const Encoding encoding = encode_as_stored(*tokenizer, row["text"], options_of(row));
      CHECK(encoding_difference(encoding, row) == "");
      CHECK(tokenizer->decode(encoding.ids, row["skip_special_tokens"].get<bool>()) ==
            row["decoded"].get<std::string>());
    }
  }
}

TEST_CASE("All shared tokenizers agree with the reference") {
  const auto root = shared_folder() / "tokenizers";
  ATTEND_SKIP_WITHOUT(root);
  const auto folders = folders_with(root, "tokenizer.json");
  REQUIRE(folders.size() >= 30);
  for (const auto& folder : folders) {
    const bool component = folder.parent_path().filename() == "components";
    const auto tokenizer = attend::load_tokenizer_json(folder);
    INFO(folder.string());
    for (const auto& row : read_json_lines(folder / "expected.jsonl"))
      check_shared_row(*tokenizer, row, component);
    for (const auto& row : read_json_lines(folder / "expected_as_stored.jsonl")) {
      INFO("as stored, text " << row["text"].dump());
      CHECK(encoding_difference(encode_as_stored(*tokenizer, row["text"], options_of(row)), row) == "");
    }
  }
}

TEST_CASE("A batch is padded to its longest text") {
  const auto folder = shared_folder() / "tokenizers" / "components";
  ATTEND_SKIP_WITHOUT(folder);
  for (const auto& directory : folders_with(folder, "expected_batch.json")) {
    INFO(directory.string());
    const auto tokenizer = attend::load_tokenizer_json(directory);
    std::ifstream file(directory / "expected_batch.json");
    const auto recorded = nlohmann::json::parse(file);
    std::vector<Encoding> batch;
    for (const auto& text : recorded["texts"]) {
      // Of a pair, where the file has pairs.
      EncodeOptions options;
      if (text.is_array()) options.pair = text[1].get<std::string>();
      options.truncation = tokenizer->stored_truncation();
      batch.push_back(tokenizer->encode((text.is_array() ? text[0] : text).get<std::string>(), options));
    }
    REQUIRE(tokenizer->stored_padding());
    attend::pad_encodings(batch, *tokenizer->stored_padding());
    REQUIRE(batch.size() == recorded["ids"].size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      CHECK(batch[i].ids == recorded["ids"][i].get<std::vector<std::int32_t>>());
      CHECK(batch[i].attention_mask == recorded["attention_mask"][i].get<std::vector<std::int32_t>>());
    }
  }
}

TEST_CASE("Padding is no word, also where there are no others") {
  const auto tokenizer = attend::load_tokenizer(golden_folder() / "surrounded-twice");
  EncodeOptions options;
  options.add_special_tokens = false;
  Encoding encoding = encode_as_stored(*tokenizer, "", options);
  CHECK(encoding.ids.size() == 8);
  CHECK(encoding.word_ids == std::vector<std::int32_t>(8, -1));
}

TEST_CASE("vocab.json and merges.txt give the same tokens as tokenizer.json") {
  const auto folder = shared_folder() / "tokenizers" / "bytebpe-gpt2";
  ATTEND_SKIP_WITHOUT(folder);
  const TemporaryDirectory directory;
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
    std::filesystem::copy_file(folder / name, directory / name);
  const auto tokenizer = attend::load_tokenizer(directory.path());
  REQUIRE(tokenizer != nullptr);
  for (const auto& row : read_json_lines(folder / "expected.jsonl")) check_shared_row(*tokenizer, row, false);
}

TEST_CASE("vocab.txt gives the same tokens as tokenizer.json") {
  const auto folder = shared_folder() / "tokenizers" / "bert-base-chinese";
  ATTEND_SKIP_WITHOUT(folder);
  const TemporaryDirectory directory;
  for (const char* name : {"vocab.txt", "tokenizer_config.json"})
    std::filesystem::copy_file(folder / name, directory / name);
  const auto tokenizer = attend::load_tokenizer(directory.path());
  REQUIRE(tokenizer != nullptr);
  for (const auto& row : read_json_lines(folder / "expected.jsonl")) check_shared_row(*tokenizer, row, false);
}

TEST_CASE("ids_only gives the ids without tokens and offsets") {
  const auto tokenizer = attend::load_tokenizer(golden_folder() / "bert-like");
  EncodeOptions options;
  options.pair = "sea shells";
  options.truncation = Truncation{.max_length = 8, .stride = 1};
  const Encoding full = tokenizer->encode("", options);
  options.ids_only = true;
  const Encoding ids = tokenizer->encode("", options);
  CHECK(ids.ids == full.ids);
  CHECK(ids.type_ids == full.type_ids);
  CHECK(ids.tokens.empty());
  CHECK(ids.offsets.empty());
  CHECK(ids.overflowing.size() == full.overflowing.size());
}

TEST_CASE("An added token whose normalized content is empty matches everywhere, the end too") {
  // The ids are those of the reference (tokenizers 0.23.3). Matches show where white space is stripped.
  const auto load_with = [](bool lstrip, bool rstrip) {
    nlohmann::json tokenizer = nlohmann::json::parse(R"({
      "version": "1.0", "truncation": null, "padding": null,
      "added_tokens": [{"id": 4, "content": "x", "single_word": false, "normalized": true, "special": false}],
      "normalizer": {"type": "Replace", "pattern": {"String": "x"}, "content": ""}, "pre_tokenizer": null,
      "post_processor": null, "decoder": {"type": "Fuse"},
      "model": {"type": "BPE", "vocab": {"[UNK]": 0, "a": 1, "b": 2, " ": 3}, "merges": [],
                "unk_token": "[UNK]"}})");
    tokenizer["added_tokens"][0]["lstrip"] = lstrip;
    tokenizer["added_tokens"][0]["rstrip"] = rstrip;
    const TemporaryDirectory directory;
    directory.write("tokenizer.json", tokenizer.dump());
    return attend::load_tokenizer_json(directory.path());
  };
  using Ids = std::vector<std::int32_t>;
  const auto left = load_with(true, false);
  CHECK(left->encode("a ").ids == Ids{1, 4});  // at the end of the text alone
  CHECK(left->encode("a  ").ids == Ids{1, 4, 4});
  CHECK(left->encode("a b ").ids == Ids{1, 4, 2, 4});
  CHECK(left->encode("ax ").ids == Ids{1, 4});
  CHECK(left->encode("ab").ids == Ids{1, 2});
  const auto right = load_with(false, true);
  CHECK(right->encode("a ").ids == Ids{1, 4});
  CHECK(right->encode(" a").ids == Ids{4, 1});
  CHECK(right->encode("a  ").ids == Ids{1, 4, 4});
  const auto both = load_with(true, true);
  CHECK(both->encode("a  ").ids == Ids{1, 4});
  const auto neither = load_with(false, false);
  CHECK(neither->encode("a b ").ids == Ids{1, 3, 2, 3});
}

TEST_CASE("Text that is not UTF-8 is refused with the offset") {
  const auto tokenizer = attend::load_tokenizer(golden_folder() / "words");
  for (const std::string bad :
       {"ab\xFF", "ab\xC0\x80", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80", "ab\xE2\x82"}) {
    try {
      tokenizer->encode(bad);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == "INVALID_UTF8");
      CHECK(error.message().find("offset 2") != std::string::npos);
    }
  }
}

TEST_CASE("Ids outside the vocabulary are refused") {
  const auto tokenizer = attend::load_tokenizer(golden_folder() / "words");
  const std::int32_t size = tokenizer->vocab_size();
  for (const std::int32_t id : {-1, size, INT32_MAX}) {
    const std::vector<std::int32_t> ids = {0, id};
    CHECK_THROWS_AS(tokenizer->decode(ids), Error);
    CHECK_FALSE(tokenizer->id_to_token(id).has_value());
  }
  CHECK(tokenizer->id_to_token(tokenizer->token_to_id("[SEP]").value()) == "[SEP]");
}

TEST_CASE("Truncation that cannot be done is an error of its option") {
  const auto tokenizer = attend::load_tokenizer(golden_folder() / "bert-like");
  const auto kind_of = [&](Truncation truncation, const char* text) -> std::string {
    EncodeOptions options;
    options.truncation = truncation;
    try {
      tokenizer->encode(text, options);
    } catch (const Error& error) {
      return error.kind();
    }
    return "";
  };
  const char* text = "the quick brown fox jumps over the lazy dog";
  CHECK(kind_of({.max_length = 8, .strategy = Truncation::Strategy::only_second}, text) == "TRUNCATION_PAIR");
  CHECK(kind_of({.max_length = 1}, text) == "TRUNCATION_LENGTH");
  CHECK(kind_of({.max_length = -1}, text) == "TRUNCATION_LENGTH");
  CHECK(kind_of({.max_length = 8, .stride = -1}, text) == "TRUNCATION_STRIDE");
  CHECK(kind_of({.max_length = 8, .stride = 6}, text) == "TRUNCATION_STRIDE");
  CHECK(kind_of({.max_length = 8, .stride = 5}, text) == "");
}

TEST_CASE("Many threads may use one tokenizer") {
  const auto tokenizer = attend::load_tokenizer(golden_folder() / "llama3-like");
  const auto rows = read_json_lines(golden_folder() / "llama3-like" / "expected.jsonl");
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (const auto& row : rows) {
        const Encoding encoding = tokenizer->encode(row["text"].get<std::string>(), options_of(row));
        wrong += !encoding_difference(encoding, row).empty();
      }
    });
  threads.clear();
  CHECK(wrong == 0);
}

TEST_CASE("tokenizer_config.json adds tokens, and asks for clean-up where it counts") {
  const TemporaryDirectory directory;
  std::filesystem::copy_file(golden_folder() / "words" / "tokenizer.json", directory / "tokenizer.json");
  std::ofstream(directory / "tokenizer_config.json")
      << R"({"model_max_length": 77, "pad_token": "<pad>", "additional_special_tokens": ["<extra>"],
             "clean_up_tokenization_spaces": true})";
  const auto plain = attend::load_tokenizer(golden_folder() / "words");
  const auto tokenizer = attend::load_tokenizer(directory.path());
  CHECK(tokenizer->model_max_length() == 77);
  CHECK(tokenizer->vocab_size() == plain->vocab_size() + 2);
  const auto pad = tokenizer->token_to_id("<pad>"), extra = tokenizer->token_to_id("<extra>");
  REQUIRE(pad);
  REQUIRE(extra);
  CHECK(tokenizer->is_special(*pad));
  CHECK(tokenizer->encode("the<extra>the").ids ==
        std::vector<std::int32_t>{*plain->token_to_id("the"), *extra, *plain->token_to_id("the")});
  CHECK_FALSE(plain->model_max_length().has_value());
}
