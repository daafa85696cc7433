#include "loaders/tokenizers/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "loaders/files/file.h"
#include "loaders/files/json.h"
#include "loaders/tokenizers/class_defaults.h"
#include "loaders/tokenizers/component_reader.h"
#include "loaders/tokenizers/llama_class.h"
#include "loaders/tokenizers/tokenizer_config.h"
#include "loaders/tokenizers/tokenizer_pipeline.h"
#include "loaders/tokenizers/tokenizer_vocab_files.h"

namespace attend {
namespace {

constexpr std::uint64_t kMaxLength = 1u << 30;

Side read_side(const ComponentReader& component) {
  if (!component.has("direction")) return Side::right;
  return component.choice("direction", {"Right", "Left"}) == 0 ? Side::right : Side::left;
}

Truncation read_truncation(const ComponentReader& component) {
  component.expect_fields({"direction", "max_length", "strategy", "stride"});
  Truncation truncation;
  truncation.max_length = static_cast<std::int32_t>(component.integer("max_length", kMaxLength));
  truncation.stride = static_cast<std::int32_t>(component.integer("stride", kMaxLength));
  if (truncation.stride > 0 && truncation.stride >= truncation.max_length)
    throw component.param_error("stride", fmt::format("expected less than max_length {}, found {}",
                                                      truncation.max_length, truncation.stride));
  constexpr Truncation::Strategy kStrategies[] = {Truncation::Strategy::longest_first,
                                                  Truncation::Strategy::only_first,
                                                  Truncation::Strategy::only_second};
  truncation.strategy =
      kStrategies[component.choice("strategy", {"LongestFirst", "OnlyFirst", "OnlySecond"})];
  truncation.side = read_side(component);
  return truncation;
}

Padding read_padding(const ComponentReader& component) {
  component.expect_fields(
      {"strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"});
  Padding padding;
  const JsonValue* strategy = component.find("strategy");
  if (strategy != nullptr && strategy->is_object()) {
    const ComponentReader fixed(*strategy, component.where() + ".strategy");
    fixed.expect_fields({"Fixed"});
    padding.length = static_cast<std::int32_t>(fixed.integer("Fixed", kMaxLength));
  } else {
    component.choice("strategy", {"BatchLongest"});
  }
  padding.multiple_of =
      static_cast<std::int32_t>(component.optional_integer("pad_to_multiple_of", kMaxLength).value_or(0));
  padding.id = static_cast<std::int32_t>(component.integer("pad_id", kMaxTokenId));
  padding.type_id = static_cast<std::int32_t>(component.integer("pad_type_id", INT32_MAX));
  padding.token = component.text("pad_token");
  padding.side = read_side(component);
  return padding;
}

using FileTokens = std::vector<std::pair<std::int32_t, AddedToken>>;

FileTokens read_added_tokens(const ComponentReader& root) {
  FileTokens tokens;
  if (!root.has("added_tokens")) return tokens;
  std::vector<std::pair<std::uint64_t, std::string>> ids;
  for (const ComponentReader& entry : root.children("added_tokens")) {
    entry.expect_fields({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    const JsonValue* id = entry.find("id");
    const auto number = id != nullptr ? id->to_uint64() : std::nullopt;
    if (!number || *number > kMaxTokenId)
      throw Error("TOK_ID_RANGE", entry.where() + ".id",
                  fmt::format("expected an id from 0 to {}, found {}", kMaxTokenId,
                              id != nullptr ? id->describe() : "no such field"));
    AddedToken token;
    token.content = entry.text("content");
    token.single_word = entry.boolean("single_word");
    token.lstrip = entry.boolean("lstrip");
    token.rstrip = entry.boolean("rstrip");
    token.normalized = entry.boolean("normalized");
    token.special = entry.boolean("special");
    ids.emplace_back(*number, token.content);
    tokens.emplace_back(static_cast<std::int32_t>(*number), std::move(token));
  }
  std::sort(ids.begin(), ids.end());
  for (std::size_t i = 1; i < ids.size(); ++i)
    if (ids[i].first == ids[i - 1].first && ids[i].second != ids[i - 1].second)
      throw Error("TOK_ID_DUPLICATE", root.where() + ".added_tokens",
                  fmt::format("id {} is given twice", ids[i].first));
  return tokens;
}

// Which classes of transformers 5 take the vocabulary of tokenizer.json and bring components of their own. It
// happens in directories of models alone.
enum class Rebuilt : std::uint8_t { no, llama, xlm_roberta, gemma };

Rebuilt rebuilt_class(const std::filesystem::path& directory, const TokenizerConfig& config,
                      const JsonValue& tokenizer_json) {
  if (is_llama_class(directory, config, tokenizer_json)) return Rebuilt::llama;
  const std::string& name = config.tokenizer_class;
  const std::string type = config_model_type(directory);
  if (type.empty()) return Rebuilt::no;
  const auto is = [&](const std::string& class_name, std::string_view model_type) {
    return name.empty() ? type == model_type : name == class_name || name == class_name + "Fast";
  };
  if (is("XLMRobertaTokenizer", "xlm-roberta")) return Rebuilt::xlm_roberta;
  if (is("GemmaTokenizer", "gemma") || is("GemmaTokenizer", "gemma2")) return Rebuilt::gemma;
  return Rebuilt::no;
}

// XLMRobertaTokenizer normalizes by the table alone: files have Strip and Replace behind it.
std::unique_ptr<Normalizer> read_table(const ComponentReader& normalizer, std::vector<std::string>& names) {
  if (normalizer.type() != "Sequence")
    return normalizer.type() == "Precompiled" ? make_normalizer(normalizer, names) : nullptr;
  for (const ComponentReader& child : normalizer.children("normalizers")) {
    if (child.type() == "Precompiled") return make_normalizer(child, names);
  }
  return nullptr;
}

// What happens to the text before the model sees it.
void read_text_parts(const ComponentReader& root, const std::string& where, Rebuilt rebuilt,
                     TokenizerParts& parts) {
  const auto component = [&](std::string_view key) {
    return ComponentReader(root.object(key), fmt::format("{}: {}", where, key));
  };
  if (root.has("normalizer")) {
    parts.normalizer = rebuilt == Rebuilt::xlm_roberta
                           ? read_table(component("normalizer"), parts.names)
                           : make_normalizer(component("normalizer"), parts.names);
  }
  if (root.has("pre_tokenizer"))
    parts.pre_tokenizer = make_pre_tokenizer(component("pre_tokenizer"), parts.names);
}

void add_file_tokens(const FileTokens& tokens, const Vocabulary& vocabulary, const std::string& where,
                     TokenizerParts& parts) {
  std::vector<AddedToken> added;
  for (const auto& [id, token] : tokens) added.push_back(token);
  parts.added.add(added, vocabulary, parts.normalizer.get(), where + ": added_tokens");
}

// LlamaTokenizer has its own in place of these. What is unknown or wrong in them is refused all the same: the
// file may be meant for something else.
void check_unused_parts(const ComponentReader& root, const std::string& where, const FileTokens& tokens,
                        const Vocabulary& vocabulary) {
  TokenizerParts unused;
  read_text_parts(root, where, Rebuilt::no, unused);
  if (root.has("decoder")) make_decoder({root.object("decoder"), where + ": decoder"}, unused.names);
  add_file_tokens(tokens, vocabulary, where, unused);
}

// `config` is that of a directory whose class is rebuilt; LlamaTokenizer adds to it.
TokenizerParts read_parts(const JsonValue& json, const std::string& where, Rebuilt rebuilt = Rebuilt::no,
                          TokenizerConfig* config = nullptr) {
  const ComponentReader root(json, where + ": tokenizer");
  root.expect_fields({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                      "post_processor", "decoder", "model"});
  if (root.has("version") && root.text("version") != "1.0")
    throw Error("TOK_COMPONENT_UNSUPPORTED", where + ": version",
                fmt::format("expected 1.0, found {}", root.text("version")));
  const auto component = [&](std::string_view key) {
    return ComponentReader(root.object(key), fmt::format("{}: {}", where, key));
  };
  TokenizerParts parts;
  const auto file_tokens = read_added_tokens(root);
  const bool llama = rebuilt == Rebuilt::llama;
  if (!llama && rebuilt != Rebuilt::no && config->json->find("added_tokens_decoder") == nullptr) {
    for (const auto& [id, token] : file_tokens) config->added_tokens[id] = token;
  }
  if (llama) {
    parts = make_llama_parts(component("model"), *config);
    check_unused_parts(root, where, file_tokens, parts.model->vocabulary());
    complete_llama_config(file_tokens, *config);
  } else {
    read_text_parts(root, where, rebuilt, parts);
    parts.model = make_token_model(component("model"));
    parts.names.emplace_back(parts.model->type());
    add_file_tokens(file_tokens, parts.model->vocabulary(), where, parts);
  }
  if (root.has("post_processor"))
    parts.post_processor = make_post_processor(component("post_processor"), parts.names);
  if (!llama && root.has("decoder")) parts.decoder = make_decoder(component("decoder"), parts.names);
  if (root.has("truncation")) parts.truncation = read_truncation(component("truncation"));
  if (root.has("padding")) parts.padding = read_padding(component("padding"));
  return parts;
}

// Which ids have a role; a token that the vocabulary lacks has none.
SpecialTokenIds role_ids(const TokenizerConfig& config, const TokenizerParts& parts) {
  const auto id_of = [&](std::string_view attribute) -> std::optional<std::int32_t> {
    const AddedToken* token = config.named(attribute);
    if (token == nullptr) return std::nullopt;
    std::int32_t id = parts.added.find(token->content);
    if (id < 0) id = parts.model->vocabulary().find(token->content);
    return id < 0 ? std::nullopt : std::optional(id);
  };
  return {.bos = id_of("bos_token"),
          .eos = id_of("eos_token"),
          .unk = id_of("unk_token"),
          .sep = id_of("sep_token"),
          .pad = id_of("pad_token"),
          .cls = id_of("cls_token"),
          .mask = id_of("mask_token")};
}

// What transformers does with tokenizer_config.json after it loaded the tokenizer.
void apply_config(const TokenizerConfig& config, const std::string& where, TokenizerParts& parts) {
  std::vector<AddedToken> tokens;
  const auto is_new = [&](const std::string& content) {
    return !parts.added.contains(content) &&
           std::none_of(tokens.begin(), tokens.end(),
                        [&](const AddedToken& token) { return token.content == content; });
  };
  for (const auto& [id, token] : config.added_tokens) tokens.push_back(token);
  for (const auto& [name, token] : config.named_tokens)
    if (is_new(token.content)) tokens.push_back(token);
  for (const AddedToken& token : config.extra_special_tokens)
    if (is_new(token.content)) tokens.push_back(token);
  for (AddedToken& token : tokens)
    for (const auto& [name, named] : config.named_tokens)
      if (named.content == token.content) token.special = true;
  parts.added.add(tokens, parts.model->vocabulary(), parts.normalizer.get(), where);
  parts.added.set_split_special_tokens(config.split_special_tokens);
  parts.clean_up_tokenization_spaces = config.clean_up_tokenization_spaces && parts.model->type() != "BPE";
  if (config.model_max_length.value_or(0) > 0) parts.model_max_length = config.model_max_length;
  parts.special_ids = role_ids(config, parts);
  parts.uses_type_ids = config.type_ids.value_or(false);
}

}  // namespace

bool has_tokenizer_json(const std::filesystem::path& directory) {
  return is_there(directory / "tokenizer.json") || has_vocab_files(directory);
}

std::unique_ptr<Tokenizer> make_json_tokenizer(const JsonValue& json, const std::string& where,
                                               const TokenizerConfig& config,
                                               const std::string& config_where) {
  TokenizerParts parts = read_parts(json, where);
  apply_config(config, config_where, parts);
  return std::make_unique<TokenizerPipeline>(std::move(parts));
}

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& directory) {
  TokenizerConfig config = read_tokenizer_config(directory);
  set_class_defaults(directory, config);
  const std::string config_where = (directory / "tokenizer_config.json").string();
  const std::filesystem::path path = directory / "tokenizer.json";
  if (is_there(path) || !has_vocab_files(directory)) {
    const JsonDocument document = read_json_file(path, tokenizer_json_limits());
    const Rebuilt rebuilt = rebuilt_class(directory, config, document.root());
    TokenizerParts parts = read_parts(document.root(), path.string(), rebuilt, &config);
    apply_config(config, config_where, parts);
    return std::make_unique<TokenizerPipeline>(std::move(parts));
  }
  const VocabFilesClass tokenizer_class = find_vocab_files_class(directory, config);
  if (!config.type_ids) config.type_ids = tokenizer_class == VocabFilesClass::bert;
  TokenizerParts parts = read_vocab_files(directory, tokenizer_class, config);
  apply_config(config, config_where, parts);
  add_vocab_files_post_processor(tokenizer_class, config, parts);
  return std::make_unique<TokenizerPipeline>(std::move(parts));
}

std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view json, const std::string& where) {
  const JsonDocument document = parse_json(json, tokenizer_json_limits(), where);
  return std::make_unique<TokenizerPipeline>(read_parts(document.root(), where));
}

}  // namespace attend
