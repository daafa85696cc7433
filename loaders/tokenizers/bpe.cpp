#include "loaders/tokenizers/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "loaders/files/message_text.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {
namespace {

constexpr std::size_t kMaxMerges = 4'000'000;
// Merges that are looked up together.
constexpr std::size_t kBatch = 16;

std::size_t hash_pair(std::uint64_t pair) {
  pair *= 0x9E3779B97F4A7C15u;
  return static_cast<std::size_t>(pair ^ pair >> 29);
}

Bpe::Merge split_merge(std::string_view line, std::size_t number, const std::string& where) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
    throw Error("TOK_MERGE_FORM", fmt::format("{}[{}]", where, number),
                fmt::format("expected two parts with a space between them, found {}", quote_text(line)));
  return {line.substr(0, space), line.substr(space + 1)};
}

std::vector<Bpe::Merge> read_merges(const JsonValue& array, const std::string& where) {
  std::vector<Bpe::Merge> merges;
  if (array.size() > kMaxMerges)
    throw Error("TOK_LIMIT", where, fmt::format("{} merges; at most {} are taken", array.size(), kMaxMerges));
  merges.reserve(array.size());
  std::size_t number = 0;
  for (const JsonValue& value : array.elements()) {
    const auto line = value.to_string();
    const auto parts = value.elements();
    if (line) {
      if (!line->starts_with("#version")) merges.push_back(split_merge(*line, number, where));
    } else if (parts.size() == 2 && parts[0].is_string() && parts[1].is_string()) {
      merges.emplace_back(*parts[0].to_string(), *parts[1].to_string());
    } else {
      throw Error("TOK_MERGE_FORM", fmt::format("{}[{}]", where, number),
                  fmt::format("expected a pair of tokens, found {}", value.describe()));
    }
    ++number;
  }
  return merges;
}

Bpe::Options read_options(const ComponentReader& component) {
  component.expect_fields({"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                           "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  if (component.has("dropout")) {
    const JsonValue* dropout = component.find("dropout");
    if (dropout->to_double() != 0.0)
      throw Error("TOK_COMPONENT_UNSUPPORTED", component.where() + ".dropout",
                  fmt::format("random merges cannot be reproduced; expected null or 0, found {}",
                              dropout->describe()));
  }
  Bpe::Options options;
  if (const auto unk = component.optional_text("unk_token")) options.unk_token = std::string(*unk);
  options.continuing_subword_prefix = component.optional_text("continuing_subword_prefix").value_or("");
  options.end_of_word_suffix = component.optional_text("end_of_word_suffix").value_or("");
  options.fuse_unk = component.boolean_or("fuse_unk", false);
  options.byte_fallback = component.boolean_or("byte_fallback", false);
  options.ignore_merges = component.boolean_or("ignore_merges", false);
  return options;
}

}  // namespace

std::vector<Bpe::Merge> read_merges_text(std::string_view text, const std::string& where) {
  std::vector<Bpe::Merge> merges;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("#version") && !line.empty()) merges.push_back(split_merge(line, number, where));
    if (merges.size() > kMaxMerges)
      throw Error("TOK_LIMIT", where, fmt::format("more than {} merges", kMaxMerges));
    ++number;
  }
  return merges;
}

Bpe::Bpe(const ComponentReader& component) : Bpe(component, read_options(component)) {}

Bpe::Bpe(const ComponentReader& component, Options options) : options_(std::move(options)) {
  read_options(component);
  vocabulary_ = read_vocabulary(component.object("vocab"), component.where() + ".vocab");
  build(read_merges(component.array("merges"), component.where() + ".merges"), component.where());
}

Bpe::Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, Options options, const std::string& where)
    : options_(std::move(options)) {
  vocabulary_ = std::move(vocabulary);
  build(merges, where);
}

void Bpe::build(const std::vector<Merge>& merges, const std::string& where) {
  if (options_.byte_fallback) byte_tokens_ = read_byte_tokens(vocabulary_, where + ".vocab");
  std::size_t slots = 16;
  while (slots < merges.size() * 2) slots *= 2;
  rules_.resize(slots);
  for (std::size_t first = 0; first < merges.size(); first += kBatch)
    add_rules(std::span(merges).subspan(first, std::min(kBatch, merges.size() - first)), first,
              where + ".merges");
}

// A batch at a time, so that what its lookups read is on its way before the first of them.
void Bpe::add_rules(std::span<const Merge> merges, std::size_t first, const std::string& where) {
  struct Token {
    std::string_view text;
    std::uint64_t hash = 0;
  };
  std::array<std::array<Token, 3>, kBatch> batch;  // left, right, and both together
  std::array<std::string, kBatch> merged;
  std::array<MergeRule, kBatch> rules;
  const std::size_t prefix = options_.continuing_subword_prefix.size();
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    merged[i].assign(left).append(right.substr(std::min(prefix, right.size())));
    batch[i] = {Token{left}, Token{right}, Token{merged[i]}};
    for (Token& token : batch[i]) {
      token.hash = Vocabulary::hash_of(token.text);
      vocabulary_.prefetch(token.hash);
    }
  }
  const auto find = [&](const Token& token, std::size_t i) {
    const std::int32_t id = vocabulary_.find(token.text, token.hash);
    if (id < 0)
      throw Error("TOK_MERGE_OOV", fmt::format("{}[{}]", where, first + i),
                  fmt::format("{} is not in the vocabulary", quote_text(token.text)));
    return id;
  };
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto left = static_cast<std::uint64_t>(find(batch[i][0], i)),
               right = static_cast<std::uint64_t>(find(batch[i][1], i));
    if (batch[i][1].text.size() < prefix)
      throw Error(
          "TOK_MERGE_FORM", fmt::format("{}[{}]", where, first + i),
          fmt::format("{} is shorter than the continuing_subword_prefix", quote_text(batch[i][1].text)));
    rules[i] = {left << 32 | right, static_cast<std::uint32_t>(first + i), find(batch[i][2], i)};
    __builtin_prefetch(&rules_[hash_pair(rules[i].pair) & (rules_.size() - 1)]);
  }
  for (std::size_t i = 0; i < merges.size(); ++i) {
    std::size_t at = hash_pair(rules[i].pair) & (rules_.size() - 1);
    while (rules_[at].merged >= 0 && rules_[at].pair != rules[i].pair) at = (at + 1) & (rules_.size() - 1);
    rules_[at] = rules[i];
  }
}

const Bpe::MergeRule* Bpe::find_merge(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right);
  const std::size_t mask = rules_.size() - 1;
  std::size_t at = hash_pair(pair) & mask;
  while (rules_[at].merged >= 0) {
    if (rules_[at].pair == pair) return &rules_[at];
    at = (at + 1) & mask;
  }
  return nullptr;
}

bool Bpe::add_bytes(std::string_view text, std::vector<Symbol>& symbols) const {
  for (const char byte : text)
    if (byte_tokens_[static_cast<unsigned char>(byte)] < 0) return false;
  for (const char byte : text) symbols.push_back({byte_tokens_[static_cast<unsigned char>(byte)], 0, 0, 1});
  return true;
}

void Bpe::add_unknown(std::uint32_t length, Unknown& unknown, std::vector<Symbol>& symbols) const {
  if (!options_.unk_token) return;  // the reference leaves such characters out
  if (unknown.id >= 0 && options_.fuse_unk) {
    unknown.length += length;
    return;
  }
  if (unknown.id >= 0) symbols.push_back({unknown.id, 0, 0, unknown.length});
  unknown = {vocabulary_.find(*options_.unk_token), length};
  if (unknown.id < 0)
    throw Error(
        "TOK_UNKNOWN_TOKEN", "model.unk_token",
        fmt::format(
            "the text has characters that the vocabulary lacks, and so does it lack the token {} that "
            "stands for them",
            quote_text(*options_.unk_token)));
}

void Bpe::read_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
  Unknown unknown;
  std::string buffer;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t length = utf8_length(word[at]);
    const bool first = at == 0, last = at + length == word.size();
    std::string_view text = word.substr(at, length);
    at += length;
    if ((!first && !options_.continuing_subword_prefix.empty()) ||
        (last && !options_.end_of_word_suffix.empty())) {
      buffer.clear();
      if (!first) buffer += options_.continuing_subword_prefix;
      buffer += text;
      if (last) buffer += options_.end_of_word_suffix;
      text = buffer;
    }
    const std::int32_t id = vocabulary_.find(text);
    if (id >= 0) {
      if (unknown.id >= 0) symbols.push_back({unknown.id, 0, 0, unknown.length});
      unknown = {};
      symbols.push_back({id, 0, 0, static_cast<std::uint32_t>(length)});
    } else if (!options_.byte_fallback || !add_bytes(text, symbols)) {
      add_unknown(static_cast<std::uint32_t>(length), unknown, symbols);
    }
  }
  if (unknown.id >= 0) symbols.push_back({unknown.id, 0, 0, unknown.length});
}

void Bpe::merge_all(std::vector<Symbol>& symbols) const {
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  };
  // Pairs of the word itself, sorted once and read in order; those that merges make wait in a heap.
  thread_local std::vector<Candidate> first;
  thread_local std::vector<Candidate> queue;
  first.clear();
  queue.clear();
  const auto candidate = [&](std::int32_t left, std::int32_t right) -> std::optional<Candidate> {
    const MergeRule* rule =
        find_merge(symbols[static_cast<std::size_t>(left)].id, symbols[static_cast<std::size_t>(right)].id);
    if (rule == nullptr) return std::nullopt;
    return Candidate{rule->rank, static_cast<std::uint32_t>(left), rule->merged};
  };
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols[static_cast<std::size_t>(i)].previous = i - 1;
    symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
    if (i + 1 < count)
      if (const auto found = candidate(i, i + 1)) first.push_back(*found);
  }
  std::sort(first.begin(), first.end(), [&](const Candidate& a, const Candidate& b) { return later(b, a); });
  const auto push = [&](std::int32_t left, std::int32_t right) {
    if (const auto found = candidate(left, right)) {
      queue.push_back(*found);
      std::push_heap(queue.begin(), queue.end(), later);
    }
  };
  for (auto next = first.cbegin(); next != first.cend() || !queue.empty();) {
    const bool new_pair = next == first.cend() || (!queue.empty() && later(*next, queue.front()));
    const Candidate top = new_pair ? queue.front() : *next++;
    if (new_pair) {
      std::pop_heap(queue.begin(), queue.end(), later);
      queue.pop_back();
    }
    Symbol& left = symbols[top.position];
    if (left.length == 0 || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    // The symbols may have changed since; the reference asks only whether they still give the same token.
    const MergeRule* rule = find_merge(left.id, right.id);
    if (rule == nullptr || rule->merged != top.merged) continue;
    left.id = top.merged;
    left.length += right.length;
    left.next = right.next;
    right.length = 0;
    const auto position = static_cast<std::int32_t>(top.position);
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = position;
    if (left.previous >= 0) push(left.previous, position);
    if (left.next >= 0) push(position, left.next);
  }
}

void Bpe::tokenize(std::string_view word, std::vector<ModelToken>& tokens) const {
  if (options_.ignore_merges) {
    const std::int32_t id = vocabulary_.find(word);
    if (id >= 0) {
      tokens.push_back({id, 0, static_cast<std::uint32_t>(word.size())});
      return;
    }
  }
  thread_local std::vector<Symbol> symbols;
  symbols.clear();
  read_symbols(word, symbols);
  merge_all(symbols);
  std::uint32_t at = 0;
  for (const Symbol& symbol : symbols) {
    if (symbol.length == 0) continue;
    tokens.push_back({symbol.id, at, at + symbol.length});
    at += symbol.length;
  }
}

}  // namespace attend
