#include "loaders/tokenizers/deberta_class.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "attend/error.h"
#include "loaders/files/file.h"
#include "loaders/files/json.h"
#include "loaders/files/message_text.h"
#include "loaders/tokenizers/class_defaults.h"
#include "loaders/tokenizers/sentencepiece_proto.h"
#include "loaders/tokenizers/tokenizer_config.h"
#include "loaders/tokenizers/tokenizer_json.h"

namespace attend {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kModelFile = "spm.model";
constexpr std::uint64_t kMaxBytes = std::uint64_t{64} << 20U;

bool flag(const TokenizerConfig& config, std::string_view key, bool otherwise) {
  const JsonValue* value = config.json->find(key);
  return value == nullptr ? otherwise : value->to_bool().value_or(otherwise);
}

// The id of the token with this role, and the token.
std::pair<std::string, std::int64_t> piece_of(const SentencePieceProto& proto, const TokenizerConfig& config,
                                              std::string_view role, const std::string& where) {
  const std::string& content = config.named(role)->content;
  const auto found = std::ranges::find(proto.pieces, content, &SentencePieceProto::Piece::piece);
  if (found == proto.pieces.end())
    throw Error("TOK_ADDED_TOKEN", where,
                "the model has no piece " + quote_text(content) + ", the " + std::string(role));
  return {content, found - proto.pieces.begin()};
}

Json post_processor(const SentencePieceProto& proto, const TokenizerConfig& config,
                    const std::string& where) {
  const auto [cls, cls_id] = piece_of(proto, config, "cls_token", where);
  const auto [sep, sep_id] = piece_of(proto, config, "sep_token", where);
  const auto token = [](const std::string& id, int type) -> Json {
    return {{"SpecialToken", {{"id", id}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* id, int type) -> Json {
    return {{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  const auto entry = [](const std::string& id, std::int64_t number) -> Json {
    return {{"id", id}, {"ids", Json::array({number})}, {"tokens", Json::array({id})}};
  };
  const Json single = Json::array({token(cls, 0), sequence("A", 0), token(sep, 0)});
  Json pair = single;
  pair.push_back(sequence("B", 1));
  pair.push_back(token(sep, 1));
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", {{cls, entry(cls, cls_id)}, {sep, entry(sep, sep_id)}}}};
}

Json components(const TokenizerConfig& config) {
  Json normalizers = Json::array();
  if (flag(config, "do_lower_case", false)) normalizers.push_back({{"type", "Lowercase"}});
  normalizers.push_back(
      {{"type", "Replace"}, {"pattern", {{"Regex", R"(\s{2,}|[\n\r\t])"}}}, {"content", " "}});
  normalizers.push_back({{"type", "NFC"}});
  normalizers.push_back({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}});
  const Json metaspace = {{"type", "Metaspace"},
                          {"replacement", "\xE2\x96\x81"},
                          {"prepend_scheme", flag(config, "add_prefix_space", true) ? "always" : "first"},
                          {"split", true}};
  Json pre_tokenizers = Json::array();
  if (flag(config, "split_by_punct", false))
    pre_tokenizers.push_back({{"type", "Punctuation"}, {"behavior", "Isolated"}});
  pre_tokenizers.push_back(metaspace);
  return {{"normalizer", {{"type", "Sequence"}, {"normalizers", normalizers}}},
          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", pre_tokenizers}}},
          {"decoder", metaspace}};
}

Json unigram(const SentencePieceProto& proto, const std::string& unknown) {
  std::int64_t unk_id = proto.trainer_unk_id;
  Json vocab = Json::array();
  for (std::size_t id = 0; id < proto.pieces.size(); ++id) {
    const SentencePieceProto::Piece& piece = proto.pieces[id];
    vocab.push_back(Json::array({piece.piece, static_cast<double>(piece.score)}));
    if (piece.piece == unknown && piece.score == 0) unk_id = static_cast<std::int64_t>(id);
  }
  return {{"type", "Unigram"}, {"unk_id", unk_id}, {"vocab", vocab}, {"byte_fallback", false}};
}

}  // namespace

bool is_deberta_class(const std::filesystem::path& directory) {
  if (!is_there(directory / kModelFile)) return false;
  const std::string name = read_tokenizer_config(directory).tokenizer_class;
  if (!name.empty()) return name == "DebertaV2Tokenizer" || name == "DebertaV2TokenizerFast";
  return config_model_type(directory) == "deberta-v2";
}

std::unique_ptr<Tokenizer> load_deberta_tokenizer(const std::filesystem::path& directory) {
  TokenizerConfig config = read_tokenizer_config(directory);
  config.tokenizer_class = "DebertaV2Tokenizer";
  set_class_defaults(directory, config);
  const std::filesystem::path path = directory / kModelFile;
  const File file(path);
  if (file.size_bytes() > kMaxBytes)
    throw Error(
        "TOK_LIMIT", path.string(),
        std::to_string(file.size_bytes()) + " bytes; at most " + std::to_string(kMaxBytes) + " are read");
  const SentencePieceProto proto = parse_sentencepiece_proto(file.read_all(), path.string());
  for (const SentencePieceProto::Piece& piece : proto.pieces) {
    const bool control = piece.type == SentencePieceProto::PieceType::control;
    if (!control && piece.type != SentencePieceProto::PieceType::user_defined) continue;
    AddedToken token;
    token.content = piece.piece;
    token.special = control;
    token.normalized = false;
    config.extra_special_tokens.push_back(std::move(token));
  }
  Json json = components(config);
  json["post_processor"] = post_processor(proto, config, path.string());
  json["model"] = unigram(proto, config.named("unk_token")->content);
  const JsonDocument document = parse_json(json.dump(), tokenizer_json_limits(), path.string());
  return make_json_tokenizer(document.root(), path.string(), config,
                             (directory / "tokenizer_config.json").string());
}

}  // namespace attend
