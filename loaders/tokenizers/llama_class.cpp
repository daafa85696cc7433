#include "loaders/tokenizers/llama_class.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loaders/files/file.h"
#include "loaders/tokenizers/bpe.h"

namespace attend {
namespace {

// Model types for which transformers knows that files name the class wrongly, or takes another one.
constexpr std::array<std::string_view, 8> kOtherClass{"mistral", "mistral3", "ministral", "mixtral",
                                                      "phi3",    "phimoe",   "qwen2",     "modernbert"};

bool has_byte_level(const JsonValue* component) {
  if (component == nullptr || !component->is_object()) return false;
  if (text_of(*component, "type") == "ByteLevel") return true;
  for (const char* key : {"pretokenizers", "decoders"}) {
    const JsonValue* parts = component->find(key);
    if (parts == nullptr || !parts->is_array()) continue;
    const auto elements = parts->elements();
    if (std::any_of(elements.begin(), elements.end(),
                    [](const JsonValue& part) { return has_byte_level(&part); }))
      return true;
  }
  return false;
}

// A flag of tokenizer_config.json; null counts as `otherwise`.
bool flag(const TokenizerConfig& config, std::string_view key, bool otherwise) {
  const JsonValue* value = config.json->find(key);
  return value == nullptr ? otherwise : value->to_bool().value_or(otherwise);
}

constexpr std::string_view kDecoders =
    R"({"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"})";
constexpr std::string_view kStrip = R"(, {"type": "Strip", "content": " ", "start": 1, "stop": 0})";

}  // namespace

bool is_llama_class(const std::filesystem::path& directory, const TokenizerConfig& config,
                    const JsonValue& tokenizer_json) {
  const auto is_class = [](std::string_view name) {
    return name == "LlamaTokenizer" || name == "LlamaTokenizerFast";
  };
  const std::string& name = config.tokenizer_class;
  if (!is_there(directory / "config.json") || (!name.empty() && !is_class(name))) return false;
  const JsonDocument model_config = read_json_file(directory / "config.json", config_json_limits());
  if (!is_class(name) && !is_class(text_of(model_config.root(), "tokenizer_class"))) return false;
  const std::string type = text_of(model_config.root(), "model_type");
  if (std::find(kOtherClass.begin(), kOtherClass.end(), type) != kOtherClass.end()) return false;
  const JsonValue* model = tokenizer_json.find("model");
  if (model == nullptr || !model->is_object() || model->find("merges") == nullptr) return false;
  return !has_byte_level(tokenizer_json.find("pre_tokenizer")) &&
         !has_byte_level(tokenizer_json.find("decoder"));
}

void complete_llama_config(const std::vector<std::pair<std::int32_t, AddedToken>>& file_tokens,
                           TokenizerConfig& config) {
  config.set_default("bos_token", "<s>");
  config.set_default("eos_token", "</s>");
  config.set_default("unk_token", "<unk>");
  if (config.json->find("added_tokens_decoder") != nullptr) return;
  for (const auto& [id, token] : file_tokens) config.added_tokens[id] = token;
}

TokenizerParts make_llama_parts(const ComponentReader& model, const TokenizerConfig& config) {
  const bool prefix_space = flag(config, "add_prefix_space", true);
  // The class began with legacy = False; null is neither.
  const std::string_view prepend = !prefix_space                   ? "never"
                                   : flag(config, "legacy", false) ? "always"
                                                                   : "first";
  const JsonDocument metaspace = parse_json(
      fmt::format(
          R"({{"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "{}", "split": false}})",
          prepend),
      tokenizer_json_limits(), "LlamaTokenizer");
  const JsonDocument decoder = parse_json(
      fmt::format(R"({{"type": "Sequence", "decoders": [{}{}]}})", kDecoders, prefix_space ? kStrip : ""),
      tokenizer_json_limits(), "LlamaTokenizer");
  if (!model.type().empty() && model.type() != "BPE") throw model.unknown_type("model of a LlamaTokenizer");
  TokenizerParts parts;
  parts.pre_tokenizer = make_pre_tokenizer({metaspace.root(), "LlamaTokenizer: pre_tokenizer"}, parts.names);
  parts.model = std::make_unique<Bpe>(model, Bpe::Options{.unk_token = {},
                                                          .continuing_subword_prefix = {},
                                                          .end_of_word_suffix = {},
                                                          .fuse_unk = true,
                                                          .byte_fallback = true});
  parts.names.emplace_back(parts.model->type());
  parts.decoder = make_decoder({decoder.root(), "LlamaTokenizer: decoder"}, parts.names);
  return parts;
}

}  // namespace attend
