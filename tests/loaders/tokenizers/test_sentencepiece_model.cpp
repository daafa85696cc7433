#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/error.h"
#include "loaders/tokenizers/sentencepiece_model.h"
#include "tests/support/shared_folder.h"

using attend::Error;
using attend::SentencePieceModel;
using attend::SentencePieceProto;

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A model without normalization table; pieces "<unk>" and then those given, with their scores.
SentencePieceModel small_model(SentencePieceProto::ModelType type,
                               const std::vector<std::pair<std::string, float>>& pieces) {
  SentencePieceProto proto;
  proto.model_type = type;
  proto.pieces.push_back({"<unk>", 0.0F, SentencePieceProto::PieceType::unknown});
  for (const auto& [piece, score] : pieces) proto.pieces.push_back({piece, score});
  proto.normalizer.add_dummy_prefix = false;
  return {std::move(proto), "small"};
}

std::vector<std::string> pieces_of(const SentencePieceModel& model, std::string_view text) {
  std::vector<std::string> pieces;
  for (const auto& piece : model.encode(text)) pieces.push_back(piece.piece);
  return pieces;
}

}  // namespace

TEST_CASE("SentencePiece models give the reference's ids, pieces, offsets and text") {
  const auto folder = attend::test::shared_folder() / "tokenizers";
  ATTEND_SKIP_WITHOUT(folder);
  const std::vector<std::pair<std::string, std::string>> cases{
      {"marian-en-mg/source.spm", "marian-en-mg/expected_source_spm.jsonl"},
      {"marian-en-mg/target.spm", "marian-en-mg/expected_target_spm.jsonl"},
      {"gemma-recon-6k/tokenizer.model", "gemma-recon-6k/expected_spm.jsonl"},
      {"llama2-metaspace/tokenizer.model", "llama2-metaspace/expected_spm.jsonl"},
      {"xlmr-small/sentencepiece.bpe.model", "xlmr-small/expected_spm.jsonl"}};
  for (const auto& [model_file, expected_file] : cases) {
    const auto model = SentencePieceModel::load(folder / model_file);
    std::ifstream file(folder / expected_file);
    int rows = 0;
    for (std::string line; std::getline(file, line); ++rows) {
      const auto row = nlohmann::json::parse(line);
      const std::string text = row["text"];
      INFO(model_file << ": " << text);
      std::vector<std::int32_t> ids;
      std::vector<std::string> pieces;
      std::vector<std::vector<std::uint32_t>> offsets;
      std::vector<std::string_view> known;
      for (const auto& piece : model.encode(text)) {
        ids.push_back(piece.id);
        pieces.push_back(piece.piece);
        offsets.push_back({piece.begin, piece.end});
        known.emplace_back(model.id_to_piece(piece.id));
      }
      CHECK(ids == row["ids"].get<std::vector<std::int32_t>>());
      CHECK(pieces == row["pieces"].get<std::vector<std::string>>());
      CHECK(offsets == row["byte_offsets"].get<std::vector<std::vector<std::uint32_t>>>());
      CHECK(model.decode(known) == row["decoded"].get<std::string>());
    }
    CHECK(rows > 100);
  }
}

TEST_CASE("The unigram model takes the first of equally likely segmentations, its sums rounded to f32") {
  const auto model =
      small_model(SentencePieceProto::ModelType::unigram, {{"a", -1.0F}, {"aa", -2.0F}, {"b", -3.0F}});
  // "aa" costs as much as "a a"; the piece found last has to be better to win.
  CHECK(pieces_of(model, "aa") == std::vector<std::string>{"aa"});
  CHECK(pieces_of(model, "aaa") == std::vector<std::string>{"a", "aa"});
  // Unknown characters in a row are one piece.
  CHECK(pieces_of(model, "axyb") == std::vector<std::string>{"a", "xy", "b"});
}

TEST_CASE("BPE merges by score, the leftmost first, and takes unused pieces apart again") {
  SentencePieceProto proto;
  proto.model_type = SentencePieceProto::ModelType::bpe;
  proto.normalizer.add_dummy_prefix = false;
  using Type = SentencePieceProto::PieceType;
  proto.pieces = {{"<unk>", 0.0F, Type::unknown}, {"a", 0.0F},    {"b", 0.0F},
                  {"ab", -1.0F, Type::unused},    {"abb", -2.0F}, {"ba", -3.0F}};
  const SentencePieceModel model(proto, "bpe");
  CHECK(pieces_of(model, "ab") == std::vector<std::string>{"a", "b"});
  CHECK(pieces_of(model, "abb") == std::vector<std::string>{"abb"});
  CHECK(pieces_of(model, "bab") == std::vector<std::string>{"b", "a", "b"});
  CHECK(pieces_of(model, "bba") == std::vector<std::string>{"b", "ba"});
}

TEST_CASE("Byte pieces decode to text, and to U+FFFD where they are no UTF-8") {
  SentencePieceProto proto;
  proto.byte_fallback = true;
  using Type = SentencePieceProto::PieceType;
  proto.pieces.push_back({"<unk>", 0.0F, Type::unknown});
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    proto.pieces.push_back({std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 0.0F, Type::byte});
  }
  proto.pieces.push_back({"a", -1.0F});
  const SentencePieceModel model(proto, "bytes");
  const std::vector<std::string_view> pieces{"a", "<0xE3>", "<0x81>", "<0x82>", "<0xFF>", "a", "<0xE3>"};
  CHECK(model.decode(pieces) ==
        "a\xE3\x81\x82\xEF\xBF\xBD"
        "a\xEF\xBF\xBD");
  CHECK(pieces_of(model, "\xE3\x81\x82").size() == 3 + 3);  // the prefix space has no piece either
}

TEST_CASE("Every truncation of a SentencePiece model and every broken table is refused") {
  const auto path = attend::test::shared_folder() / "tokenizers" / "gemma-recon-6k" / "tokenizer.model";
  ATTEND_SKIP_WITHOUT(path);
  const std::string bytes = read_file(path);
  int refused = 0;
  int tried = 0;
  for (std::size_t size = 0; size < bytes.size(); size += 997) {
    ++tried;
    try {
      attend::parse_sentencepiece_proto(std::string_view(bytes).substr(0, size), "cut");
    } catch (const Error& error) {
      CHECK(error.kind() == "SPM_MODEL_INVALID");
      ++refused;
    }
  }
  CHECK(refused == tried);

  const auto charsmap_kind = [](std::string charsmap) -> std::string {
    SentencePieceProto proto;
    proto.pieces.push_back({"<unk>", 0.0F, SentencePieceProto::PieceType::unknown});
    proto.normalizer.precompiled_charsmap = std::move(charsmap);
    try {
      const SentencePieceModel model(proto, "charsmap");
      model.encode("text");
    } catch (const Error& error) {
      return error.kind();
    }
    return "none";
  };
  using namespace std::string_literals;
  CHECK(charsmap_kind("abc") == "SPM_MODEL_INVALID");
  CHECK(charsmap_kind("\xFF\xFF\xFF\x7F"s + "abcd") == "SPM_MODEL_INVALID");
  CHECK(charsmap_kind("\x03\0\0\0"s + "abcd") == "SPM_MODEL_INVALID");
  // Two units: the root leads to 't' at unit 't', which is outside; then a leaf whose value is outside.
  CHECK(charsmap_kind("\x08\0\0\0"s + "\0\0\0\0\0\0\0\0"s + "x\0"s) == "none");
  std::string leaf(4 * 256, '\0');
  leaf[4 * 't'] = 't';
  leaf[4 * 't' + 1] = 1;  // has_leaf; its value is the unit itself
  leaf[4 * 't' + 2] = 4;  // offset 256: beyond the array
  CHECK(charsmap_kind("\0\4\0\0"s + leaf + "x\0"s) == "SPM_MODEL_INVALID");
}
