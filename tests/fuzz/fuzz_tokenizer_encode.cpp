// Any bytes as text: INVALID_UTF8, or ids whose offsets lie in the text; byte-level tokenizers give the text
// back.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "attend/error.h"
#include "loaders/tokenizers/normalized_string.h"
#include "loaders/tokenizers/tokenizer_json.h"
#include "loaders/tokenizers/utf8.h"

namespace {

using nlohmann::json;

// A byte-level BPE over all bytes and a few merges.
json byte_level(const json& pre_tokenizer) {
  json vocab;
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string character;
    attend::append_utf8(character, attend::byte_level_character(static_cast<unsigned char>(byte)));
    vocab[character] = byte;
  }
  const char* const merges[][3] = {
      {"a", "a", "aa"}, {"aa", "aa", "aaaa"}, {"t", "h", "th"}, {"th", "e", "the"}};
  json pairs = json::array();
  for (const auto& merge : merges) {
    vocab[merge[2]] = vocab.size();
    pairs.push_back(json::array({merge[0], merge[1]}));
  }
  return {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", pairs}}},
          {"pre_tokenizer", pre_tokenizer},
          {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}}}};
}

struct Subject {
  std::unique_ptr<attend::Tokenizer> tokenizer;
  bool lossless;
};

std::array<Subject, 4> make_subjects() {
  const json plain = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", true}};
  const json whole = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}};
  const json split = {
      {"type", "Split"},
      {"pattern",
       {{"Regex", R"((?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                  R"(\s*[\r\n]+|\s+(?!\S)|\s+)"}}},
      {"behavior", "Isolated"},
      {"invert", false}};
  const json llama = {{"type", "Sequence"}, {"pretokenizers", {split, whole}}};
  json bert = json::parse(R"({
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": true,
                   "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "##a": 2, "the": 3, "##e": 4}}})");
  json unigram = json::parse(R"({
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Strip", "strip_left": true,
                   "strip_right": true}]},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": true},
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["?", 0], ["a", -1], ["\u2581the", -2], ["the", -2.5]]}})");
  const auto make = [](const json& value) { return attend::parse_tokenizer_json(value.dump(), "fuzz"); };
  return {{{make(byte_level(plain)), true},
           {make(byte_level(llama)), true},
           {make(bert), false},
           {make(unigram), false}}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array<Subject, 4> subjects = make_subjects();
  if (size == 0) return 0;
  const Subject& subject = subjects[data[0] % subjects.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool valid = attend::to_valid_utf8(text) == text;
  try {
    const attend::Encoding encoding = subject.tokenizer->encode(text);
    if (!valid) std::abort();
    const auto characters = static_cast<std::int32_t>(attend::count_code_points(text));
    for (const auto& [begin, end] : encoding.offsets)
      if (begin < 0 || begin > end || end > characters) std::abort();
    if (subject.lossless && subject.tokenizer->decode(encoding.ids) != text) std::abort();
    subject.tokenizer->decode(encoding.ids);
  } catch (const attend::Error& error) {
    if (valid || error.kind() != "INVALID_UTF8") std::abort();
  }
  return 0;
}
