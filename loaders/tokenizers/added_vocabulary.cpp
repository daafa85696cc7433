#include "loaders/tokenizers/added_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "attend/error.h"
#include "loaders/files/message_text.h"
#include "loaders/tokenizers/unicode.h"

namespace attend {
namespace {

constexpr std::size_t kMaxTokenBytes = 1024;

bool same_flags(const AddedToken& a, const AddedToken& b) {
  return a.single_word == b.single_word && a.lstrip == b.lstrip && a.rstrip == b.rstrip &&
         a.normalized == b.normalized && a.special == b.special;
}

}  // namespace

void AddedVocabulary::add(const std::vector<AddedToken>& tokens, const Vocabulary& vocabulary,
                          const Normalizer* normalizer, const std::string& where) {
  auto next_id = static_cast<std::int32_t>(vocabulary.size());
  if (!tokens_.empty() && (tokens_.rbegin()->first >= next_id || next_id == 0))
    next_id = tokens_.rbegin()->first + 1;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const AddedToken& token = tokens[i];
    if (token.content.empty() || token.content.size() > kMaxTokenBytes)
      throw Error("TOK_ADDED_TOKEN", fmt::format("{}[{}].content", where, i),
                  fmt::format("a token of 1 to {} bytes is expected, found {}", kMaxTokenBytes,
                              token.content.size()));
    if (const std::size_t bad = find_invalid_utf8(token.content); bad != std::string::npos)
      throw Error("TOK_ADDED_TOKEN", fmt::format("{}[{}].content", where, i),
                  fmt::format("byte {} is not UTF-8", bad));
    const auto known = ids_.find(token.content);
    if (known != ids_.end() && same_flags(tokens_.at(known->second).token, token)) continue;
    std::int32_t id = known != ids_.end() ? known->second : vocabulary.find(token.content);
    if (id < 0) id = next_id++;
    if (static_cast<std::uint64_t>(id) > kMaxTokenId)
      throw Error("TOK_ID_RANGE", fmt::format("{}[{}]", where, i),
                  fmt::format("ids go up to {}", kMaxTokenId));
    Entry entry{token, token.content};
    if (token.normalized && normalizer != nullptr) {
      NormalizedString content(token.content);
      normalizer->normalize(content);
      entry.normalized = content.text();
    }
    ids_[token.content] = id;
    if (token.special) special_.insert(token.content);
    tokens_[id] = std::move(entry);
  }
  build_matchers();
}

void AddedVocabulary::build_matchers() {
  std::map<std::string, std::int32_t> raw, normalized;
  for (const auto& [id, entry] : tokens_) (entry.token.normalized ? normalized : raw)[entry.normalized] = id;
  raw_ = build_matcher(raw);
  normalized_ = build_matcher(normalized);
}

AddedVocabulary::Matcher AddedVocabulary::build_matcher(const std::map<std::string, std::int32_t>& patterns) {
  Matcher matcher;
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  for (const auto& [pattern, id] : patterns) {
    if (pattern.empty()) {
      matcher.empty_id = id;
      continue;
    }
    keys.emplace_back(pattern, id);
    matcher.begins[static_cast<unsigned char>(pattern[0])] = true;
  }
  matcher.any = !patterns.empty();
  if (!keys.empty()) matcher.trie = ByteTrie(std::move(keys));
  return matcher;
}

bool AddedVocabulary::accepts(std::string_view text, const Entry& entry, std::size_t begin,
                              std::size_t end) const {
  if (split_special_tokens_ && special_.contains(entry.token.content)) return false;
  if (!entry.token.single_word) return true;
  const bool word_before = begin > 0 && is_word_character(decode_utf8_before(text, begin).value);
  const bool word_after = end < text.size() && is_word_character(decode_utf8(text, end).value);
  return !word_before && !word_after;
}

std::vector<AddedVocabulary::Match> AddedVocabulary::find_matches(std::string_view text,
                                                                  const Matcher& matcher) const {
  const auto size = static_cast<std::uint32_t>(text.size());
  std::vector<Match> out;
  std::uint32_t covered = 0;
  // A token whose normalized content is empty is found at the end as well.
  const std::size_t last = text.size() - (matcher.empty_id ? 0 : 1);
  for (std::size_t at = 0; matcher.any && !text.empty() && at <= last;) {
    std::uint32_t node = ByteTrie::kRoot;
    std::size_t found_end = at;
    std::int32_t id = matcher.empty_id.value_or(-1);
    if (at < text.size() && matcher.begins[static_cast<unsigned char>(text[at])]) {
      for (std::size_t i = at;
           i < text.size() && matcher.trie.step(node, static_cast<unsigned char>(text[i])); ++i) {
        if (matcher.trie.value(node) < 0) continue;
        id = matcher.trie.value(node);
        found_end = i + 1;
      }
    }
    const std::size_t found_begin = at;
    at = found_end > at ? found_end : at + (at < text.size() ? utf8_length(text[at]) : 1);
    if (id < 0) continue;
    const Entry& entry = tokens_.at(id);
    if (!accepts(text, entry, found_begin, found_end)) continue;
    auto begin = static_cast<std::uint32_t>(found_begin), end = static_cast<std::uint32_t>(found_end);
    if (entry.token.lstrip) {
      while (begin > covered) {
        const CodePoint before = decode_utf8_before(text, begin);
        if (!is_whitespace(before.value)) break;
        begin -= static_cast<std::uint32_t>(before.length);
      }
      begin = std::max(begin, covered);
    }
    if (entry.token.rstrip) {
      while (end < size) {
        const CodePoint after = decode_utf8(text, end);
        if (!is_whitespace(after.value)) break;
        end += static_cast<std::uint32_t>(after.length);
      }
    }
    if (covered < begin) out.push_back({covered, begin, -1});
    out.push_back({begin, end, id});
    covered = end;
  }
  if (covered != size) out.push_back({covered, size, -1});
  return out;
}

PreTokenized AddedVocabulary::extract(std::string_view text, const Normalizer* normalizer) const {
  PreTokenized out;
  if (text.empty()) return out;
  const NormalizedString whole(text);
  for (const Match& match : find_matches(text, raw_)) {
    if (match.id >= 0) {
      out.append_slice(whole, match.begin, match.end, match.id);
      continue;
    }
    if (match.begin >= match.end) continue;
    NormalizedString part(text.substr(match.begin, match.end - match.begin), match.begin);
    if (normalizer != nullptr) normalizer->normalize(part);
    for (const Match& inner : find_matches(part.text(), normalized_)) {
      if (inner.begin < inner.end) out.append_slice(part, inner.begin, inner.end, inner.id);
    }
  }
  return out;
}

std::int32_t AddedVocabulary::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

std::optional<std::string_view> AddedVocabulary::text(std::int32_t id) const {
  const auto found = tokens_.find(id);
  if (found == tokens_.end()) return std::nullopt;
  return found->second.normalized;
}

bool AddedVocabulary::is_special(std::int32_t id) const {
  const auto found = tokens_.find(id);
  return found != tokens_.end() && found->second.token.special;
}

}  // namespace attend
