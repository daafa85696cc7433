#include "loaders/tokenizers/tokenizer_pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "attend/error.h"
#include "loaders/files/message_text.h"
#include "loaders/tokenizers/character_offsets.h"
#include "loaders/tokenizers/encoding_parts.h"
#include "loaders/tokenizers/word_cache.h"

namespace attend {
namespace {

// Positions are 32 bits, and text may grow to several times its size on its way.
constexpr std::size_t kMaxTextBytes = std::size_t{1} << 28;

std::uint32_t next_number() {
  static std::atomic<std::uint32_t> last = 0;
  return ++last;
}

void check_text(std::string_view text, std::string_view name) {
  if (text.size() > kMaxTextBytes)
    throw Error("TEXT_TOO_LONG", std::string(name),
                fmt::format("expected at most {} bytes, found {}", kMaxTextBytes, text.size()));
  const std::size_t bad = find_invalid_utf8(text);
  if (bad != std::string_view::npos)
    throw Error("INVALID_UTF8", std::string(name),
                fmt::format("expected UTF-8, found byte 0x{:02X} at offset {}",
                            static_cast<unsigned char>(text[bad]), bad));
}

void check_truncation(const Truncation& truncation) {
  if (truncation.max_length < 0)
    throw usage_error("TRUNCATION_LENGTH", "truncation.max_length",
                      fmt::format("expected 0 or more, found {}", truncation.max_length));
  if (truncation.stride < 0)
    throw usage_error("TRUNCATION_STRIDE", "truncation.stride",
                      fmt::format("expected 0 or more, found {}", truncation.stride));
}

void drop_text(Encoding& encoding) {
  encoding.tokens.clear();
  encoding.offsets.clear();
  encoding.word_ids.clear();
  for (Encoding& window : encoding.overflowing) drop_text(window);
}

// Where a token comes from, in bytes of the original text. An empty range, or one that reaches past the
// piece, keeps the token's own numbers, as in the reference.
std::pair<std::uint32_t, std::uint32_t> original_range(const PreTokenized& text, const Piece& piece,
                                                       const ModelToken& token) {
  const auto alignments = text.alignments(piece);
  if (token.begin == token.end) return {piece.original_begin + token.begin, piece.original_begin + token.end};
  if (token.end > alignments.size() || token.begin > token.end) return {token.begin, token.end};
  return {alignments[token.begin].begin, alignments[token.end - 1].end};
}

}  // namespace

TokenizerPipeline::TokenizerPipeline(TokenizerParts parts)
    : parts_(std::move(parts)), number_(next_number()) {}

void TokenizerPipeline::tokenize_piece(const PreTokenized& text, const Piece& piece,
                                       std::vector<ModelToken>& tokens) const {
  const std::string_view word = text.text(piece);
  if (piece.token >= 0) {
    tokens.push_back({piece.token, 0, static_cast<std::uint32_t>(word.size()), true});
    return;
  }
  WordCache& cache = WordCache::local();
  if (cache.find(number_, word, tokens)) return;
  const std::size_t first = tokens.size();
  parts_.model->tokenize(word, tokens);
  cache.put(number_, word, tokens, first);
}

Encoding TokenizerPipeline::encode_sequence(std::string_view text, std::int32_t sequence,
                                            const EncodeOptions& options) const {
  PreTokenized pre_tokenized = parts_.added.extract(text, parts_.normalizer.get());
  if (parts_.pre_tokenizer) parts_.pre_tokenizer->pre_tokenize(pre_tokenized);
  std::vector<ModelToken> tokens;
  tokens.reserve(pre_tokenized.pieces().size() * 5 / 4);
  std::vector<std::size_t> ends;  // of each piece's tokens
  ends.reserve(pre_tokenized.pieces().size());
  for (const Piece& piece : pre_tokenized.pieces()) {
    tokenize_piece(pre_tokenized, piece, tokens);
    ends.push_back(tokens.size());
  }
  Encoding encoding;
  encoding.ids.reserve(tokens.size());
  for (const ModelToken& token : tokens) encoding.ids.push_back(token.id);
  encoding.type_ids.assign(tokens.size(), sequence);
  encoding.sequence_ids.assign(tokens.size(), sequence);
  encoding.special_tokens_mask.assign(tokens.size(), 0);
  encoding.attention_mask.assign(tokens.size(), 1);
  if (options.ids_only) return encoding;
  encoding.tokens.reserve(tokens.size());
  encoding.offsets.reserve(tokens.size());
  encoding.word_ids.reserve(tokens.size());
  const CharacterOffsets characters(text);
  std::size_t at = 0;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const Piece& piece = pre_tokenized.pieces()[i];
    const std::string_view word = pre_tokenized.text(piece);
    for (; at < ends[i]; ++at) {
      const ModelToken& token = tokens[at];
      encoding.tokens.emplace_back(token.surface ? word.substr(token.begin, token.end - token.begin)
                                                 : parts_.model->vocabulary().token(token.id).value_or(""));
      const auto [begin, end] = original_range(pre_tokenized, piece, token);
      encoding.offsets.push_back(characters.convert(begin, end));
      encoding.word_ids.push_back(static_cast<std::int32_t>(i));
    }
  }
  return encoding;
}

Encoding TokenizerPipeline::encode(std::string_view text, const EncodeOptions& options) const {
  check_text(text, "text");
  if (options.pair) check_text(*options.pair, "pair");
  if (options.truncation) check_truncation(*options.truncation);
  if (options.as_target)
    throw usage_error("TOKENIZER_TARGET", "as_target",
                      "this tokenizer has one vocabulary, not one for each side");
  std::vector<Encoding> parts;
  parts.push_back(encode_sequence(text, 0, options));
  if (options.pair) parts.push_back(encode_sequence(*options.pair, 1, options));
  if (options.truncation) {
    const bool adds = options.add_special_tokens && parts_.post_processor;
    truncate_sequences(parts, *options.truncation,
                       adds ? parts_.post_processor->added_tokens(options.pair.has_value()) : 0);
  }
  if (parts_.post_processor) parts_.post_processor->process(parts, options.add_special_tokens);
  Encoding encoding;
  if (parts.size() == 1) {
    encoding = std::move(parts[0]);
  } else {
    for (const Encoding& part : parts) append_encoding(encoding, part);
  }
  if (options.ids_only) drop_text(encoding);
  return encoding;
}

std::string TokenizerPipeline::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab_size())
      throw Error("TOKEN_ID_RANGE", fmt::format("ids[{}]", i),
                  fmt::format("expected an id from 0 to {}, found {}", vocab_size() - 1, ids[i]));
    const auto added = parts_.added.text(ids[i]);
    const auto token = added ? added : parts_.model->vocabulary().token(ids[i]);
    // By spelling, as the reference: a special token whose spelling is normalized is not skipped.
    const bool special = token && parts_.added.is_skipped(*token);
    if (!token || (skip_special_tokens && special)) continue;
    tokens.emplace_back(*token);
  }
  std::string text = joined(std::move(tokens));
  return parts_.clean_up_tokenization_spaces ? clean_up_tokenization(std::move(text)) : text;
}

std::string TokenizerPipeline::convert_tokens_to_string(std::span<const std::string> tokens) const {
  return joined({tokens.begin(), tokens.end()});
}

std::string TokenizerPipeline::joined(std::vector<std::string> tokens) const {
  if (!parts_.decoder) return fmt::format("{}", fmt::join(tokens, " "));
  std::string text;
  for (const std::string& part : parts_.decoder->decode(std::move(tokens))) text += part;
  return text;
}

std::optional<std::int32_t> TokenizerPipeline::token_to_id(std::string_view token) const {
  std::int32_t id = parts_.added.find(token);
  if (id < 0) id = parts_.model->vocabulary().find(token);
  if (id < 0) return std::nullopt;
  return id;
}

std::optional<std::string> TokenizerPipeline::id_to_token(std::int32_t id) const {
  if (const auto added = parts_.added.text(id)) return std::string(*added);
  if (const auto token = parts_.model->vocabulary().token(id)) return std::string(*token);
  return std::nullopt;
}

std::int32_t TokenizerPipeline::vocab_size() const {
  return std::max(parts_.model->vocabulary().end_id(), parts_.added.end_id());
}

bool TokenizerPipeline::is_special(std::int32_t id) const {
  return parts_.added.is_special(id);
}

}  // namespace attend
