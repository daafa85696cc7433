#include "runtime/api/attention_tokens.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "attend/error.h"
#include "runtime/attention/token_spans.h"

namespace attend {
namespace {

// Spans in the text and its pair, joined by a space.
std::vector<TextSpan> joined_offsets(const Encoding& encoding, std::int32_t pair_begin) {
  std::vector<TextSpan> spans = encoding.offsets;
  for (std::size_t i = 0; i < spans.size() && i < encoding.sequence_ids.size(); ++i) {
    if (encoding.sequence_ids[i] != 1) continue;
    spans[i].first += pair_begin;
    spans[i].second += pair_begin;
  }
  return spans;
}

}  // namespace

std::vector<std::int32_t> TokenizedText::ids() const {
  std::vector<std::int32_t> ids;
  ids.reserve(tokens.size());
  for (const AttentionToken& token : tokens) ids.push_back(token.id);
  return ids;
}

TokenizedText tokenize_input(const Tokenizer* tokenizer, const Input& input, const EncodeOptions& options) {
  if (input.ids) {
    TokenizedText result = describe_ids(tokenizer, *input.ids);
    result.type_ids = input.type_ids;
    return result;
  }
  if (input.text.find_first_not_of(" \t\r\n") == std::string::npos)
    throw Error("INPUT_EMPTY", "input", "the input has no tokens; at least one is needed");
  if (tokenizer == nullptr) {
    throw Error("TOKENIZER_MISSING", "input",
                "the model directory has no tokenizer: give token ids (--input-ids)");
  }
  EncodeOptions with_pair = options;
  with_pair.pair = input.pair;
  const Encoding encoding = tokenizer->encode(input.text, with_pair);
  TokenizedText result{.text = input.text, .tokens = {}, .type_ids = encoding.type_ids};
  const auto pair_begin = static_cast<std::int32_t>(code_points(input.text).size()) + 1;
  if (input.pair) result.text += " " + *input.pair;
  std::vector<std::string> pieces = encoding.tokens;
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    const bool added = i < encoding.sequence_ids.size() && encoding.sequence_ids[i] < 0;
    result.tokens.push_back({.id = encoding.ids[i],
                             .token = encoding.tokens[i],
                             .special = added || tokenizer->is_special(encoding.ids[i])});
    if (added) pieces[i].clear();
  }
  const std::vector<TextSpan> spans =
      encoding.offsets.empty() ? spans_of_pieces(result.text, pieces) : joined_offsets(encoding, pair_begin);
  for (std::size_t i = 0; i < spans.size(); ++i) {
    AttentionToken& token = result.tokens[i];
    if (token.special && encoding.offsets.empty() && pieces[i].empty()) continue;
    std::tie(token.start, token.end) = spans[i];
  }
  return result;
}

TokenizedText describe_ids(const Tokenizer* tokenizer, std::span<const std::int32_t> ids) {
  TokenizedText result;
  for (const std::int32_t id : ids) result.tokens.push_back({.id = id, .token = {}});
  if (tokenizer == nullptr) return result;
  // Ids that a vocabulary lacks are the scheduler's to refuse: they may be in the model all the same.
  for (AttentionToken& token : result.tokens) {
    const std::optional<std::string> known = tokenizer->id_to_token(token.id);
    if (!known) return result;
    token.token = *known;
    token.special = tokenizer->is_special(token.id);
  }
  result.text = tokenizer->decode(ids);
  const std::vector<TextSpan> spans = spans_of_decoding(*tokenizer, ids);
  for (std::size_t i = 0; i < spans.size(); ++i)
    std::tie(result.tokens[i].start, result.tokens[i].end) = spans[i];
  return result;
}

}  // namespace attend
