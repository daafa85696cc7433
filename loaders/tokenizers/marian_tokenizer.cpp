#include "loaders/tokenizers/marian_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "attend/error.h"
#include "loaders/files/json.h"
#include "loaders/files/message_text.h"
#include "loaders/tokenizers/python_text.h"
#include "loaders/tokenizers/token_model.h"

namespace attend {
namespace {

constexpr std::int32_t kDefaultMaxLength = 512;
constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581

void check_utf8(std::string_view text) {
  if (const std::size_t offset = find_invalid_utf8(text); offset != std::string_view::npos) {
    throw Error("INVALID_UTF8", "text",
                fmt::format("the text is not UTF-8: byte 0x{:02X} at offset {}",
                            static_cast<unsigned char>(text[offset]), offset));
  }
}

}  // namespace

std::unique_ptr<MarianTokenizer> MarianTokenizer::load(const std::filesystem::path& directory) {
  TokenizerConfig config = read_tokenizer_config(directory);
  config.set_default("eos_token", "</s>");
  config.set_default("unk_token", "<unk>");
  config.set_default("pad_token", "<pad>");
  const JsonValue* separate = config.json->find("separate_vocabs");
  const bool separate_vocabs = separate != nullptr && separate->to_bool().value_or(false);
  if (const JsonValue* options = config.json->find("sp_model_kwargs");
      options != nullptr && options->size() > 0) {
    throw Error("TOK_COMPONENT_UNSUPPORTED",
                (directory / "tokenizer_config.json").string() + ": sp_model_kwargs",
                "options of SentencePiece (sampling) are not supported; expected {}");
  }

  const auto vocabulary = [&](const char* name) {
    const std::filesystem::path path = directory / name;
    const JsonDocument json = read_json_file(path, tokenizer_json_limits());
    if (!json->is_object()) {
      throw Error("TOK_VOCAB_TYPE", path.string(),
                  "expected an object of token to id, found " + json->describe());
    }
    return std::make_shared<const Vocabulary>(read_vocabulary(*json, path.string()));
  };
  std::shared_ptr<const Vocabulary> source_ids = vocabulary("vocab.json");
  std::shared_ptr<const Vocabulary> target_ids =
      separate_vocabs ? vocabulary("target_vocab.json") : source_ids;
  return std::unique_ptr<MarianTokenizer>(
      new MarianTokenizer({SentencePieceModel::load(directory / "source.spm"), std::move(source_ids)},
                          {SentencePieceModel::load(directory / "target.spm"), std::move(target_ids)},
                          separate_vocabs, std::move(config), (directory / "vocab.json").string()));
}

MarianTokenizer::MarianTokenizer(Side source, Side target, bool separate_vocabs, TokenizerConfig config,
                                 const std::string& where)
    : source_(std::move(source)),
      target_(std::move(target)),
      separate_vocabs_(separate_vocabs),
      config_(std::move(config)) {
  const std::string& unk = config_.named("unk_token")->content;
  if (source_.ids->find(unk) < 0 || target_.ids->find(unk) < 0) {
    throw Error("TOK_UNK_MISSING", where,
                fmt::format("the vocabulary has no unknown token {}", quote_text(unk)));
  }
  add_special_tokens();
  vocab_size_ = std::max(source_.ids->end_id(), target_.ids->end_id());
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  for (const auto& [token, id] : added_ids_) {
    keys.emplace_back(token, id);
    vocab_size_ = std::max(vocab_size_, id + 1);
  }
  added_trie_ = ByteTrie(std::move(keys));
  for (const std::string& token : config_.all_special_tokens()) {
    special_tokens_.insert(token);
    special_ids_.insert(added_ids_.at(token));
  }
  eos_id_ = added_ids_.at(config_.named("eos_token")->content);
}

// Special tokens are added tokens; those that no file numbers follow the vocabulary.
void MarianTokenizer::add_special_tokens() {
  for (const auto& [id, token] : config_.added_tokens) added_ids_.insert_or_assign(token.content, id);
  std::size_t next = source_.ids->size();
  for (const auto& [token, id] : added_ids_) next += source_.ids->find(token) >= 0 ? 0 : 1;
  for (const std::string& content : config_.all_special_tokens()) {
    if (added_ids_.contains(content)) continue;
    const std::int32_t known = source_.ids->find(content);
    const std::int32_t id = known >= 0 ? known : static_cast<std::int32_t>(next++);
    AddedToken token;
    token.content = content;
    token.special = true;
    token.normalized = false;
    added_ids_.emplace(content, id);
    config_.added_tokens.insert_or_assign(id, std::move(token));
  }
}

std::vector<std::string> MarianTokenizer::split_added_tokens(std::string_view text) const {
  std::vector<std::string> parts;
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = added_trie_.longest_prefix(text.substr(at));
    if (size == 0) {
      ++at;
      continue;
    }
    if (at > plain) parts.emplace_back(text.substr(plain, at - plain));
    parts.emplace_back(text.substr(at, size));
    at += size;
    plain = at;
  }
  if (plain < text.size()) parts.emplace_back(text.substr(plain));
  return parts;
}

std::vector<std::string> MarianTokenizer::tokenize(std::string_view text, const Side& side) const {
  check_utf8(text);
  std::vector<std::string> tokens;
  if (config_.split_special_tokens) {
    tokenize_segment(text, side, tokens);
    return tokens;
  }
  std::vector<std::string> parts = split_added_tokens(text);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto found = added_ids_.find(parts[i]);
    const auto added =
        found == added_ids_.end() ? config_.added_tokens.end() : config_.added_tokens.find(found->second);
    if (added == config_.added_tokens.end()) continue;
    std::string* left = i > 0 && !parts[i - 1].empty() ? &parts[i - 1] : nullptr;
    std::string* right = i + 1 < parts.size() && !parts[i + 1].empty() ? &parts[i + 1] : nullptr;
    const bool open_left = left != nullptr && !left->ends_with(' ');
    const bool open_right = right != nullptr && !right->starts_with(' ');
    if (added->second.rstrip && right != nullptr) *right = std::string(python_lstrip(*right));
    if (added->second.lstrip && left != nullptr) *left = std::string(python_rstrip(*left));
    if (added->second.single_word && (open_left || open_right)) {
      // Part of a longer word, so plain text after all.
      if (open_left) {
        *left += parts[i];
      } else {
        right->insert(0, parts[i]);
      }
      parts[i].clear();
    }
  }
  for (std::string& part : parts) {
    if (added_ids_.contains(part)) {
      tokens.push_back(std::move(part));
    } else if (!part.empty()) {
      tokenize_segment(part, side, tokens);
    }
  }
  return tokens;
}

void MarianTokenizer::tokenize_segment(std::string_view text, const Side& side,
                                       std::vector<std::string>& tokens) const {
  // A target language such as >>jpn<< at the head is one token.
  if (text.starts_with(">>")) {
    if (const std::size_t end = text.find("<<"); end != std::string_view::npos) {
      tokens.emplace_back(text.substr(0, end + 2));
      text.remove_prefix(end + 2);
    }
  }
  for (SentencePieceModel::Piece& piece : side.spm.encode(text)) tokens.push_back(std::move(piece.piece));
}

std::vector<std::int32_t> MarianTokenizer::ids_of(const std::vector<std::string>& tokens,
                                                  const Side& side) const {
  std::vector<std::int32_t> ids;
  ids.reserve(tokens.size() + 1);
  for (const std::string& token : tokens) {
    if (const auto added = added_ids_.find(token); added != added_ids_.end()) {
      ids.push_back(added->second);
    } else if (const std::int32_t id = side.ids->find(token); id >= 0) {
      ids.push_back(id);
    } else {
      ids.push_back(side.ids->find(config_.named("unk_token")->content));
    }
  }
  return ids;
}

Encoding MarianTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const Side& side = options.as_target ? target_ : source_;
  std::vector<std::int32_t> first = ids_of(tokenize(text, side), side);
  std::vector<std::int32_t> second;
  if (options.pair) second = ids_of(tokenize(*options.pair, side), side);

  if (options.truncation) {
    const std::int64_t added = options.add_special_tokens ? 1 : 0;
    const auto total = static_cast<std::int64_t>(first.size() + second.size()) + added;
    std::int64_t excess = std::max<std::int64_t>(0, total - options.truncation->max_length);
    const auto strategy = options.truncation->strategy;
    const auto shorten = [](std::vector<std::int32_t>& ids, std::int64_t count) {
      ids.resize(ids.size() - std::min(ids.size(), static_cast<std::size_t>(count)));
    };
    if (strategy == Truncation::Strategy::longest_first && options.pair) {
      // First the longer one down to the other's length, then both in turn.
      const auto sizes =
          std::pair(static_cast<std::int64_t>(first.size()), static_cast<std::int64_t>(second.size()));
      const std::int64_t level = std::min(std::abs(sizes.first - sizes.second), excess);
      const std::int64_t rest = excess - level;
      const bool first_longer = sizes.first > sizes.second;
      shorten(first, first_longer ? level + rest / 2 : rest / 2);
      shorten(second, first_longer ? rest - rest / 2 : level + rest - rest / 2);
    } else {
      shorten(strategy == Truncation::Strategy::only_second ? second : first, excess);
    }
  }

  Encoding encoding;
  encoding.sequence_ids.assign(first.size(), 0);
  encoding.sequence_ids.resize(first.size() + second.size(), 1);
  encoding.ids = std::move(first);
  encoding.ids.insert(encoding.ids.end(), second.begin(), second.end());
  if (options.add_special_tokens) {
    encoding.ids.push_back(eos_id_);
    encoding.sequence_ids.push_back(-1);
  }
  encoding.type_ids.assign(encoding.ids.size(), 0);
  for (const std::int32_t id : encoding.ids)
    encoding.tokens.push_back(id_to_token(id).value_or(std::string()));
  return encoding;
}

std::string MarianTokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) {
    if (skip_special_tokens && is_special(id)) continue;
    std::optional<std::string> token = id_to_token(id);
    if (!token) {
      throw Error("TOKEN_ID_RANGE", "ids",
                  fmt::format("the id {} is not in the vocabulary of {}", id, vocab_size_));
    }
    tokens.push_back(*std::move(token));
  }
  std::string text = text_of(tokens);
  return config_.clean_up_tokenization_spaces ? clean_up_tokenization(std::move(text)) : text;
}

std::string MarianTokenizer::text_of(std::span<const std::string> tokens) const {
  const SentencePieceModel& spm = separate_vocabs_ ? target_.spm : source_.spm;
  std::string text;
  std::vector<std::string_view> pieces;
  for (const std::string& token : tokens) {
    if (special_tokens_.contains(token)) {
      text += spm.decode(pieces) + token + " ";
      pieces.clear();
    } else {
      pieces.push_back(token);
    }
  }
  text += spm.decode(pieces);
  std::string spaced;
  for (std::size_t at = 0; at < text.size();) {
    const bool space = text.compare(at, kSpaceSymbol.size(), kSpaceSymbol) == 0;
    spaced += space ? ' ' : text[at];
    at += space ? kSpaceSymbol.size() : 1;
  }
  return std::string(python_strip(spaced));
}

std::optional<std::int32_t> MarianTokenizer::token_to_id(std::string_view token) const {
  if (const auto added = added_ids_.find(token); added != added_ids_.end()) return added->second;
  const std::int32_t id = source_.ids->find(token);
  return id >= 0 ? std::optional(id) : std::nullopt;
}

std::optional<std::string> MarianTokenizer::id_to_token(std::int32_t id) const {
  if (const auto added = config_.added_tokens.find(id); added != config_.added_tokens.end())
    return added->second.content;
  if (const auto token = target_.ids->token(id)) return std::string(*token);
  // Ids that the vocabulary leaves open are taken from the SentencePiece model.
  const SentencePieceModel& spm = separate_vocabs_ ? target_.spm : source_.spm;
  if (id >= 0 && id < spm.size()) return spm.id_to_piece(id);
  return std::nullopt;
}

std::optional<std::int32_t> MarianTokenizer::model_max_length() const {
  const std::int32_t limit = config_.model_max_length.value_or(kDefaultMaxLength);
  return limit > 0 ? std::optional(limit) : std::nullopt;
}

std::vector<std::string> MarianTokenizer::components() const {
  return {"MarianTokenizer", "SentencePiece(source.spm)", "SentencePiece(target.spm)",
          separate_vocabs_ ? "vocab.json + target_vocab.json" : "vocab.json"};
}

}  // namespace attend
