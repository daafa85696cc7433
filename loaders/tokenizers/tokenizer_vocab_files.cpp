#include "loaders/tokenizers/tokenizer_vocab_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "loaders/files/file.h"
#include "loaders/files/json.h"
#include "loaders/files/message_text.h"
#include "loaders/tokenizers/bpe.h"
#include "loaders/tokenizers/class_defaults.h"
#include "loaders/tokenizers/unicode.h"
#include "loaders/tokenizers/utf8.h"
#include "loaders/tokenizers/word_piece.h"

namespace attend {
namespace {

constexpr std::uint64_t kMaxVocabBytes = std::uint64_t{64} << 20;

struct ClassName {
  std::string_view name;  // of the tokenizer class without Tokenizer or TokenizerFast, or of the model
  VocabFilesClass tokenizer_class;
};
constexpr ClassName kClassNames[] = {
    {"Bert", VocabFilesClass::bert},          {"DistilBert", VocabFilesClass::bert},
    {"Electra", VocabFilesClass::bert},       {"ConvBert", VocabFilesClass::bert},
    {"MobileBert", VocabFilesClass::bert},    {"bert", VocabFilesClass::bert},
    {"distilbert", VocabFilesClass::bert},    {"electra", VocabFilesClass::bert},
    {"convbert", VocabFilesClass::bert},      {"mobilebert", VocabFilesClass::bert},
    {"layoutlm", VocabFilesClass::bert},      {"megatron-bert", VocabFilesClass::bert},
    {"ernie", VocabFilesClass::bert},         {"GPT2", VocabFilesClass::gpt2},
    {"gpt2", VocabFilesClass::gpt2},          {"gpt_neo", VocabFilesClass::gpt2},
    {"gptj", VocabFilesClass::gpt2},          {"opt", VocabFilesClass::gpt2},
    {"codegen", VocabFilesClass::gpt2},       {"phi", VocabFilesClass::gpt2},
    {"starcoder2", VocabFilesClass::gpt2},    {"Roberta", VocabFilesClass::roberta},
    {"Bart", VocabFilesClass::roberta},       {"Longformer", VocabFilesClass::roberta},
    {"roberta", VocabFilesClass::roberta},    {"bart", VocabFilesClass::roberta},
    {"longformer", VocabFilesClass::roberta}, {"Qwen2", VocabFilesClass::qwen2},
    {"qwen2", VocabFilesClass::qwen2},        {"qwen2_moe", VocabFilesClass::qwen2},
    {"qwen3", VocabFilesClass::qwen2},        {"qwen3_moe", VocabFilesClass::qwen2}};

constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string read_text(const std::filesystem::path& path) {
  const File file(path);
  if (file.size_bytes() > kMaxVocabBytes)
    throw Error("TOK_LIMIT", path.string(),
                fmt::format("{} bytes; at most {} are read", file.size_bytes(), kMaxVocabBytes));
  std::string text = file.read_all();
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw Error("INVALID_UTF8", path.string(), fmt::format("byte {} is not UTF-8", bad));
  return text;
}

// One token a line; its id is the line's number.
Vocabulary read_vocab_text(const std::filesystem::path& path) {
  const std::string text = read_text(path);
  std::string_view rest = text;
  Vocabulary vocabulary;
  for (std::int32_t id = 0; !rest.empty(); ++id) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (!line.empty()) {
      const CodePoint last = decode_utf8_before(line, line.size());
      if (!is_whitespace(last.value)) break;
      line.remove_suffix(last.length);
    }
    if (static_cast<std::uint64_t>(id) > kMaxTokenId)
      throw Error("TOK_LIMIT", path.string(), fmt::format("more than {} lines", kMaxTokenId));
    vocabulary.add(line, id, path.string());
  }
  return vocabulary;
}

bool flag(const TokenizerConfig& config, std::string_view key, bool otherwise) {
  const JsonValue* value = config.json->find(key);
  if (value == nullptr || value->is_null()) return otherwise;
  if (const auto set = value->to_bool()) return *set;
  throw Error("TOK_CONFIG_TYPE", fmt::format("tokenizer_config.json: {}", key),
              fmt::format("expected true or false, found {}", value->describe()));
}

void set_defaults(TokenizerConfig& config, VocabFilesClass tokenizer_class) {
  switch (tokenizer_class) {
    case VocabFilesClass::bert:
      config.set_default("unk_token", "[UNK]");
      config.set_default("sep_token", "[SEP]");
      config.set_default("pad_token", "[PAD]");
      config.set_default("cls_token", "[CLS]");
      config.set_default("mask_token", "[MASK]");
      break;
    case VocabFilesClass::gpt2:
      config.set_default("bos_token", "<|endoftext|>");
      config.set_default("eos_token", "<|endoftext|>");
      config.set_default("unk_token", "<|endoftext|>");
      break;
    case VocabFilesClass::roberta:
      config.set_default("bos_token", "<s>");
      config.set_default("eos_token", "</s>");
      config.set_default("unk_token", "<unk>");
      config.set_default("sep_token", "</s>");
      config.set_default("pad_token", "<pad>");
      config.set_default("cls_token", "<s>");
      config.set_default("mask_token", "<mask>");
      break;
    case VocabFilesClass::qwen2:
      config.set_default("eos_token", "<|endoftext|>");
      config.set_default("unk_token", "<|endoftext|>");
      config.set_default("pad_token", "<|endoftext|>");
      break;
  }
}

void read_bert(const std::filesystem::path& directory, const TokenizerConfig& config, TokenizerParts& parts) {
  BertNormalizerOptions options;
  options.lowercase = flag(config, "do_lower_case", true);
  options.handle_chinese_chars = flag(config, "tokenize_chinese_chars", true);
  options.strip_accents = flag(config, "strip_accents", options.lowercase);
  parts.normalizer = make_bert_normalizer(options);
  parts.pre_tokenizer = make_bert_pre_tokenizer();
  parts.model = std::make_unique<WordPiece>(read_vocab_text(directory / "vocab.txt"),
                                            config.named("unk_token")->content);
  parts.decoder = make_word_piece_decoder("##", true);
  parts.names = {"BertNormalizer", "BertPreTokenizer", "WordPiece", "BertProcessing", "WordPiece"};
}

void read_byte_level(const std::filesystem::path& directory, VocabFilesClass tokenizer_class,
                     const TokenizerConfig& config, TokenizerParts& parts) {
  const JsonDocument vocab = read_json_file(directory / "vocab.json", tokenizer_json_limits());
  const std::string where = (directory / "vocab.json").string(),
                    merges_path = (directory / "merges.txt").string();
  if (!vocab.root().is_object())
    throw Error("TOK_COMPONENT_PARAM", where,
                fmt::format("expected an object, found {}", vocab.root().describe()));
  const std::string merges = read_text(directory / "merges.txt");
  parts.model =
      std::make_unique<Bpe>(read_vocabulary(vocab.root(), where), read_merges_text(merges, merges_path),
                            Bpe::Options{}, directory.string());
  const bool add_prefix_space = flag(config, "add_prefix_space", false);
  parts.decoder = make_byte_level_decoder();
  if (tokenizer_class != VocabFilesClass::qwen2) {
    parts.pre_tokenizer = make_byte_level_pre_tokenizer(add_prefix_space, true);
    parts.names = {"ByteLevel", "BPE",
                   tokenizer_class == VocabFilesClass::roberta ? "RobertaProcessing" : "TemplateProcessing",
                   "ByteLevel"};
    return;
  }
  parts.normalizer = make_form_normalizer(NormalizationForm::nfc);
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(
      make_split_pre_tokenizer(Regex::compile(kQwen2Pattern, "Qwen2Tokenizer"), SplitBehavior::isolated));
  steps.push_back(make_byte_level_pre_tokenizer(add_prefix_space, false));
  parts.pre_tokenizer = make_pre_tokenizer_sequence(std::move(steps));
  parts.names = {"NFC", "Split", "ByteLevel", "BPE", "TemplateProcessing", "ByteLevel"};
}

SpecialToken special_token(const TokenizerConfig& config, const TokenizerParts& parts,
                           std::string_view attribute) {
  const std::string& content = config.named(attribute)->content;
  std::int32_t id = parts.added.find(content);
  if (id < 0) id = parts.model->vocabulary().find(content);
  if (id < 0)
    throw Error("TOK_ADDED_TOKEN", std::string(attribute), fmt::format("{} has no id", quote_text(content)));
  return {content, id};
}

}  // namespace

bool has_vocab_files(const std::filesystem::path& directory) {
  return is_there(directory / "vocab.txt") ||
         (is_there(directory / "vocab.json") && is_there(directory / "merges.txt"));
}

VocabFilesClass find_vocab_files_class(const std::filesystem::path& directory,
                                       const TokenizerConfig& config) {
  std::string name = config.tokenizer_class;
  for (const std::string_view suffix : {"Fast", "Tokenizer"})
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  if (name.empty()) name = config_model_type(directory);
  const bool has_text = is_there(directory / "vocab.txt");
  for (const ClassName& entry : kClassNames) {
    const bool needs_text = entry.tokenizer_class == VocabFilesClass::bert;
    if (entry.name == name && needs_text == has_text) return entry.tokenizer_class;
  }
  if (name.empty() && has_text) return VocabFilesClass::bert;
  throw Error(
      "TOK_CLASS_UNSUPPORTED", (directory / "tokenizer_config.json").string(),
      fmt::format("there is no tokenizer.json, and {} cannot be read by the tokenizer class {}; save the "
                  "tokenizer with transformers to get a tokenizer.json",
                  has_text ? "vocab.txt" : "vocab.json with merges.txt", quote_text(name)));
}

TokenizerParts read_vocab_files(const std::filesystem::path& directory, VocabFilesClass tokenizer_class,
                                TokenizerConfig& config) {
  set_defaults(config, tokenizer_class);
  TokenizerParts parts;
  if (tokenizer_class == VocabFilesClass::bert)
    read_bert(directory, config, parts);
  else
    read_byte_level(directory, tokenizer_class, config, parts);
  return parts;
}

void add_vocab_files_post_processor(VocabFilesClass tokenizer_class, const TokenizerConfig& config,
                                    TokenizerParts& parts) {
  const auto token = [&](std::string_view attribute) { return special_token(config, parts, attribute); };
  switch (tokenizer_class) {
    case VocabFilesClass::bert:
      parts.post_processor = make_bert_processing(token("cls_token"), token("sep_token"));
      break;
    case VocabFilesClass::roberta:
      parts.post_processor =
          make_roberta_processing(token("cls_token"), token("sep_token"), flag(config, "trim_offsets", true),
                                  flag(config, "add_prefix_space", false));
      break;
    case VocabFilesClass::gpt2:
    case VocabFilesClass::qwen2: {
      const bool has_bos = config.named("bos_token") != nullptr && flag(config, "add_bos_token", false);
      const bool has_eos = config.named("eos_token") != nullptr && flag(config, "add_eos_token", false);
      const SpecialToken bos = has_bos ? token("bos_token") : SpecialToken{};
      const SpecialToken eos = has_eos ? token("eos_token") : SpecialToken{};
      parts.post_processor = make_bos_eos_processing(has_bos ? &bos : nullptr, has_eos ? &eos : nullptr);
      break;
    }
  }
}

}  // namespace attend
