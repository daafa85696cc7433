#include "loaders/tokenizers/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "loaders/tokenizers/utf8.h"

namespace attend {
namespace {

constexpr double kUnknownPenalty = 10.0;

}  // namespace

Unigram::Unigram(const ComponentReader& component) {
  component.expect_fields({"unk_id", "vocab", "byte_fallback"});
  const JsonValue& vocab = component.array("vocab");
  const std::string where = component.where() + ".vocab";
  if (vocab.size() > kMaxTokenId) throw Error("TOK_LIMIT", where, fmt::format("{} tokens", vocab.size()));
  double lowest = std::numeric_limits<double>::infinity();
  for (const JsonValue& entry : vocab.elements()) {
    const auto parts = entry.elements();
    const auto token = parts.size() == 2 ? parts[0].to_string() : std::nullopt;
    const auto score = parts.size() == 2 ? parts[1].to_double() : std::nullopt;
    if (!token || !score)
      throw Error("TOK_COMPONENT_PARAM", fmt::format("{}[{}]", where, scores_.size()),
                  fmt::format("expected a token and its score, found {}", entry.describe()));
    vocabulary_.add(*token, static_cast<std::int32_t>(scores_.size()), where);
    scores_.push_back(*score);
    lowest = std::min(lowest, *score);
  }
  unknown_score_ = lowest - kUnknownPenalty;
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  vocabulary_.for_each([&](std::string_view token, std::int32_t id) {
    // Of a token that is written twice, the last one counts.
    if (!token.empty() && vocabulary_.find(token) == id) keys.emplace_back(token, id);
  });
  trie_ = ByteTrie(std::move(keys));
  if (const auto unk = component.optional_integer("unk_id", kMaxTokenId)) {
    if (*unk >= scores_.size())
      throw component.param_error("unk_id",
                                  fmt::format("expected an id below {}, found {}", scores_.size(), *unk));
    unk_id_ = static_cast<std::int32_t>(*unk);
  }
  if (component.boolean_or("byte_fallback", false)) byte_tokens_ = read_byte_tokens(vocabulary_, where);
}

void Unigram::no_unknown_token() {
  throw Error("TOK_UNKNOWN_TOKEN", "model.unk_id",
              "the text has characters that the vocabulary lacks, and the model has no unk_id");
}

void Unigram::tokenize(std::string_view word, std::vector<ModelToken>& tokens) const {
  struct Node {
    double score = 0;
    std::int32_t id = 0;
    std::uint32_t begin = UINT32_MAX;  // of the piece that ends here
  };
  thread_local std::vector<Node> best;
  best.assign(word.size() + 1, Node{});
  const auto offer = [&](std::size_t begin, std::size_t end, double score, std::int32_t id) {
    Node& node = best[end];
    if (node.begin != UINT32_MAX && !(score > node.score)) return;
    node = {score, id, static_cast<std::uint32_t>(begin)};
  };
  for (std::size_t begin = 0; begin < word.size();) {
    const double score = best[begin].score;
    const std::size_t character_end = begin + utf8_length(word[begin]);
    bool has_character = false;
    std::uint32_t node = ByteTrie::kRoot;
    for (std::size_t at = begin; at < word.size() && trie_.step(node, static_cast<unsigned char>(word[at]));
         ++at) {
      const std::int32_t id = trie_.value(node);
      if (id < 0) continue;
      offer(begin, at + 1, score + scores_[static_cast<std::size_t>(id)], id);
      has_character = has_character || at + 1 == character_end;
    }
    if (!has_character) {
      const Node& there = best[character_end];
      if (!unk_id_ && (there.begin == UINT32_MAX || score + unknown_score_ > there.score)) no_unknown_token();
      offer(begin, character_end, score + unknown_score_, unk_id_.value_or(0));
    }
    begin = character_end;
  }
  // From the end to the beginning; runs of unknown pieces are joined.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pieces;
  bool last_unknown = false;
  for (auto end = static_cast<std::uint32_t>(word.size()); end > 0;) {
    const Node& node = best[end];
    const bool unknown = unk_id_ && node.id == *unk_id_;
    if (unknown && last_unknown)
      pieces.back().first = node.begin;
    else
      pieces.emplace_back(node.begin, end);
    last_unknown = unknown;
    end = node.begin;
  }
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece)
    add_token(word, piece->first, piece->second, tokens);
}

void Unigram::add_token(std::string_view word, std::uint32_t begin, std::uint32_t end,
                        std::vector<ModelToken>& tokens) const {
  const std::string_view text = word.substr(begin, end - begin);
  const std::int32_t id = vocabulary_.find(text);
  if (id >= 0) {
    tokens.push_back({id, begin, end, true});
    return;
  }
  const auto has_token = [&](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)] >= 0; };
  if (!byte_tokens_.empty() && std::all_of(text.begin(), text.end(), has_token)) {
    for (const char byte : text)
      tokens.push_back({byte_tokens_[static_cast<unsigned char>(byte)], begin, end});
    return;
  }
  if (!unk_id_) no_unknown_token();
  tokens.push_back({*unk_id_, begin, end, true});
}

}  // namespace attend
