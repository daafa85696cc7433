#include "loaders/tokenizers/sentencepiece_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "loaders/files/file.h"
#include "loaders/files/json.h"
#include "loaders/tokenizers/sentencepiece_family.h"
#include "loaders/tokenizers/sentencepiece_proto.h"
#include "loaders/tokenizers/tokenizer_config.h"
#include "loaders/tokenizers/tokenizer_json.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {
namespace {

using nlohmann::json;
using PieceType = SentencePieceProto::PieceType;

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581
constexpr std::uint64_t kMaxModelBytes = 64ULL << 20U;
constexpr std::array<const char*, 3> kModelFiles{"tokenizer.model", "spiece.model",
                                                 "sentencepiece.bpe.model"};
constexpr std::array<std::string_view, 25> kMbartLanguages{
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN",
    "hi_IN", "it_IT", "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP",
    "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN"};

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j > bytes.size() ? '=' : kDigits[group >> (18U - 6U * static_cast<unsigned>(j)) & 63U];
    }
  }
  return out;
}

json replace_spaces() {
  return {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceSymbol}};
}

json byte_fallback_decoder(bool strips_space) {
  json steps = {{{"type", "Replace"}, {"pattern", {{"String", kSpaceSymbol}}}, {"content", " "}},
                {{"type", "ByteFallback"}},
                {{"type", "Fuse"}}};
  if (strips_space) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

json metaspace(const char* scheme, bool split) {
  return {{"type", "Metaspace"}, {"replacement", kSpaceSymbol}, {"prepend_scheme", scheme}, {"split", split}};
}

// Builds the tokenizer.json that transformers 5 would save.
class Conversion {
 public:
  Conversion(SentencePieceProto proto, SentencePieceFamily family, TokenizerConfig& config)
      : proto_(std::move(proto)), family_(family), config_(config) {}

  json convert() {
    set_default_tokens();
    make_vocabulary();
    json out = {{"version", "1.0"},           {"truncation", nullptr},
                {"padding", nullptr},         {"added_tokens", added_tokens()},
                {"normalizer", normalizer()}, {"pre_tokenizer", pre_tokenizer()},
                {"decoder", decoder()},       {"model", model()}};
    out["post_processor"] = post_processor();
    return out;
  }

 private:
  bool is_bpe() const {
    return family_ == SentencePieceFamily::llama || family_ == SentencePieceFamily::gemma ||
           (family_ == SentencePieceFamily::generic &&
            proto_.model_type != SentencePieceProto::ModelType::unigram);
  }
  const std::string& token(std::string_view attribute) const { return config_.named(attribute)->content; }

  void set_default_tokens() {
    const auto set = [&](std::initializer_list<std::pair<const char*, const char*>> tokens) {
      for (const auto& [attribute, content] : tokens) config_.set_default(attribute, content);
    };
    switch (family_) {
      case SentencePieceFamily::llama:
        set({{"unk_token", "<unk>"}, {"bos_token", "<s>"}, {"eos_token", "</s>"}});
        break;
      case SentencePieceFamily::gemma:
        set({{"unk_token", "<unk>"},
             {"bos_token", "<bos>"},
             {"eos_token", "<eos>"},
             {"pad_token", "<pad>"},
             {"mask_token", "<mask>"}});
        break;
      case SentencePieceFamily::t5:
        set({{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}});
        break;
      case SentencePieceFamily::xlm_roberta:
      case SentencePieceFamily::mbart:
        set({{"bos_token", "<s>"},
             {"eos_token", "</s>"},
             {"sep_token", "</s>"},
             {"cls_token", "<s>"},
             {"unk_token", "<unk>"},
             {"pad_token", "<pad>"},
             {"mask_token", "<mask>"}});
        break;
      case SentencePieceFamily::generic:
        if (proto_.trainer_bos_id >= 0) set({{"bos_token", proto_.bos_piece.c_str()}});
        if (proto_.trainer_eos_id >= 0) set({{"eos_token", proto_.eos_piece.c_str()}});
        if (proto_.trainer_unk_id >= 0) set({{"unk_token", proto_.unk_piece.c_str()}});
        break;
    }
  }

  void add_piece(const std::string& piece, float score) {
    ids_.emplace(piece, static_cast<std::int32_t>(pieces_.size()));
    pieces_.emplace_back(piece, score);
  }

  void make_vocabulary() {
    const bool fairseq = family_ == SentencePieceFamily::xlm_roberta || family_ == SentencePieceFamily::mbart;
    if (fairseq) {
      // fairseq has special tokens of its own in the place of the model's first three.
      for (const char* attribute : {"bos_token", "pad_token", "eos_token", "unk_token"})
        add_piece(token(attribute), 0.0F);
    }
    for (std::size_t id = fairseq ? std::min<std::size_t>(3, proto_.pieces.size()) : 0;
         id < proto_.pieces.size(); ++id) {
      add_piece(proto_.pieces[id].piece, proto_.pieces[id].score);
    }
    if (family_ == SentencePieceFamily::mbart) {
      for (const std::string_view language : kMbartLanguages) add_piece(std::string(language), 0.0F);
    }
    if (fairseq) add_piece(token("mask_token"), 0.0F);
    for (int extra = family_ == SentencePieceFamily::t5 ? extra_ids() - 1 : -1; extra >= 0; --extra) {
      add_piece(fmt::format("<extra_id_{}>", extra), 0.0F);
    }
    if (family_ != SentencePieceFamily::generic) return;
    // Placeholder pieces get the names that the configuration gives their ids.
    renamed_ = pieces_;
    for (const auto& [id, added] : config_.added_tokens) {
      if (id < 0 || static_cast<std::size_t>(id) >= renamed_.size() || ids_.contains(added.content)) continue;
      renamed_[static_cast<std::size_t>(id)].first = added.content;
      ids_.emplace(added.content, id);
    }
  }

  int extra_ids() const {
    const JsonValue* value = config_.json->find("extra_ids");
    const auto count = value == nullptr ? std::nullopt : value->to_int64();
    return count && *count >= 0 && *count <= 10000 ? static_cast<int>(*count) : 100;
  }

  std::int32_t id_of(const std::string& content) const {
    if (const auto found = ids_.find(content); found != ids_.end()) return found->second;
    for (const auto& [id, added] : config_.added_tokens) {
      if (added.content == content) return id;
    }
    throw Error("TOK_ADDED_TOKEN", content, "the special token has no id in the SentencePiece model");
  }

  // Control and user-defined pieces are found in the text first, and the class's own special tokens.
  json added_tokens() const {
    json tokens = json::array();
    const auto add = [&](const std::string& content, bool special, bool lstrip) {
      tokens.push_back({{"id", id_of(content)},
                        {"content", content},
                        {"single_word", false},
                        {"lstrip", lstrip},
                        {"rstrip", false},
                        {"normalized", false},
                        {"special", special}});
    };
    for (const auto& piece : proto_.pieces) {
      if (piece.type != PieceType::control && piece.type != PieceType::user_defined) continue;
      if (ids_.contains(piece.piece)) add(piece.piece, piece.type == PieceType::control, false);
    }
    if (family_ == SentencePieceFamily::t5) {
      for (int extra = 0; extra < extra_ids(); ++extra) add(fmt::format("<extra_id_{}>", extra), true, false);
    }
    if (family_ == SentencePieceFamily::mbart) {
      for (const std::string_view language : kMbartLanguages) add(std::string(language), true, false);
      add(token("mask_token"), true, true);
    }
    return tokens;
  }

  json normalizer() const {
    const json charsmap =
        proto_.normalizer.precompiled_charsmap.empty()
            ? json(nullptr)
            : json{{"type", "Precompiled"},
                   {"precompiled_charsmap", base64(proto_.normalizer.precompiled_charsmap)}};
    switch (family_) {
      case SentencePieceFamily::gemma: return replace_spaces();
      case SentencePieceFamily::t5:
      case SentencePieceFamily::xlm_roberta: return charsmap;
      case SentencePieceFamily::generic: {
        json steps = json::array();
        if (!charsmap.is_null()) steps.push_back(charsmap);
        steps.push_back(replace_spaces());
        return {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
      }
      default: return nullptr;
    }
  }

  json pre_tokenizer() const {
    switch (family_) {
      case SentencePieceFamily::llama: {
        const JsonValue* prefix = config_.json->find("add_prefix_space");
        const bool none = prefix != nullptr && prefix->to_bool() == false;
        const JsonValue* legacy = config_.json->find("legacy");
        const bool always = legacy != nullptr && legacy->to_bool() == true;
        return metaspace(none ? "never" : always ? "always" : "first", false);
      }
      case SentencePieceFamily::gemma:
        return {{"type", "Split"},
                {"pattern", {{"String", " "}}},
                {"behavior", "MergedWithPrevious"},
                {"invert", false}};
      case SentencePieceFamily::generic: return nullptr;
      default:
        return {{"type", "Sequence"},
                {"pretokenizers", {{{"type", "WhitespaceSplit"}}, metaspace("always", true)}}};
    }
  }

  json decoder() const {
    switch (family_) {
      case SentencePieceFamily::llama: {
        const JsonValue* prefix = config_.json->find("add_prefix_space");
        return byte_fallback_decoder(prefix == nullptr || prefix->to_bool() != false);
      }
      case SentencePieceFamily::gemma: return byte_fallback_decoder(false);
      case SentencePieceFamily::generic:
        if (proto_.byte_fallback) return byte_fallback_decoder(false);
        return {
            {"type", "Sequence"},
            {"decoders", {{{"type", "Replace"}, {"pattern", {{"String", kSpaceSymbol}}}, {"content", " "}}}}};
      default: return metaspace("always", true);
    }
  }

  json model() const {
    const auto& named = renamed_.empty() ? pieces_ : renamed_;
    if (!is_bpe()) {
      json vocabulary = json::array();
      for (const auto& [piece, score] : named) vocabulary.push_back({piece, static_cast<double>(score)});
      const std::int32_t unk_id = family_ == SentencePieceFamily::t5        ? 2
                                  : family_ == SentencePieceFamily::generic ? proto_.trainer_unk_id
                                                                            : 3;
      return {{"type", "Unigram"},
              {"unk_id", unk_id},
              {"vocab", std::move(vocabulary)},
              {"byte_fallback", family_ == SentencePieceFamily::generic && proto_.byte_fallback}};
    }
    json vocabulary = json::object();
    for (std::size_t id = 0; id < named.size(); ++id) vocabulary[named[id].first] = id;
    const json unk = family_ == SentencePieceFamily::llama   ? json(nullptr)
                     : family_ == SentencePieceFamily::gemma ? json(token("unk_token"))
                                                             : json(proto_.unk_piece);
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", unk},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", true},
            {"ignore_merges", false},
            {"vocab", std::move(vocabulary)},
            {"merges", merges()},
            {"byte_fallback", family_ != SentencePieceFamily::generic || proto_.byte_fallback}};
  }

  // Every split of a piece into two other pieces is a merge; earlier pieces merge first.
  json merges() const {
    json merges = json::array();
    for (const auto& [piece, score] : pieces_) {
      for (std::size_t at = utf8_length(piece[0]); at < piece.size(); at += utf8_length(piece[at])) {
        const std::string left = piece.substr(0, at);
        const std::string right = piece.substr(at);
        if (ids_.contains(left) && ids_.contains(right)) merges.push_back({left, right});
      }
    }
    return merges;
  }

  json post_processor() const {
    std::vector<std::string> before, between, after;
    bool types = false;
    switch (family_) {
      case SentencePieceFamily::t5: between = after = {"</s>"}; break;
      case SentencePieceFamily::xlm_roberta:
        before = {token("bos_token")};
        between = {token("eos_token"), token("eos_token")};
        after = {token("eos_token")};
        break;
      case SentencePieceFamily::mbart: {
        const std::string language = text_of(*config_.json, "src_lang");
        after = {token("eos_token"), language.empty() ? "en_XX" : language};
        break;
      }
      default: {
        types = true;
        const auto adds = [&](const char* flag, const char* attribute) {
          const JsonValue* value = config_.json->find(flag);
          return value != nullptr && value->to_bool() == true && config_.named(attribute) != nullptr;
        };
        if (adds("add_bos_token", "bos_token")) before = {token("bos_token")};
        if (adds("add_eos_token", "eos_token")) after = {token("eos_token")};
        between = after;
        between.insert(between.end(), before.begin(), before.end());
        break;
      }
    }
    return template_of(before, between, after, types);
  }

  // before A after; before A between B after. With `types` what belongs to the second text has type 1.
  json template_of(const std::vector<std::string>& before, const std::vector<std::string>& between,
                   const std::vector<std::string>& after, bool types) const {
    json single = json::array();
    json pair = json::array();
    json tokens = json::object();
    const auto special = [&](json& out, const std::string& content, int type) {
      out.push_back({{"SpecialToken", {{"id", content}, {"type_id", type}}}});
      tokens[content] = {{"id", content}, {"ids", {id_of(content)}}, {"tokens", {content}}};
    };
    const auto text = [](const char* id, int type) {
      return json{{"Sequence", {{"id", id}, {"type_id", type}}}};
    };
    for (const std::string& content : before) {
      special(single, content, 0);
      special(pair, content, 0);
    }
    single.push_back(text("A", 0));
    pair.push_back(text("A", 0));
    for (std::size_t i = 0; i < between.size(); ++i)
      special(pair, between[i], types && i >= after.size() ? 1 : 0);
    pair.push_back(text("B", types ? 1 : 0));
    for (const std::string& content : after) {
      special(single, content, 0);
      special(pair, content, types ? 1 : 0);
    }
    return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
  }

  SentencePieceProto proto_;
  SentencePieceFamily family_;
  TokenizerConfig& config_;
  std::vector<std::pair<std::string, float>> pieces_;
  std::vector<std::pair<std::string, float>> renamed_;  // with the names of the configuration
  std::unordered_map<std::string, std::int32_t> ids_;
};

std::filesystem::path model_file(const std::filesystem::path& directory) {
  for (const char* name : kModelFiles) {
    if (is_there(directory / name)) return directory / name;
  }
  return {};
}

}  // namespace

bool has_sentencepiece_model(const std::filesystem::path& directory) {
  return !model_file(directory).empty();
}

std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const std::filesystem::path& directory) {
  const File file(model_file(directory));
  if (file.size_bytes() > kMaxModelBytes) {
    throw Error("SPM_MODEL_SIZE", file.name(),
                fmt::format("a SentencePiece model of at most {} bytes is expected, the file has {}",
                            kMaxModelBytes, file.size_bytes()));
  }
  TokenizerConfig config = read_tokenizer_config(directory);
  const SentencePieceFamily family = sentencepiece_family(directory, config);
  Conversion conversion(parse_sentencepiece_proto(file.read_all(), file.name()), family, config);
  const std::string text = conversion.convert().dump();
  const JsonDocument converted = parse_json(text, tokenizer_json_limits(), file.name());
  return make_json_tokenizer(*converted, file.name(), config, (directory / "tokenizer_config.json").string());
}

}  // namespace attend
