#include "runtime/attention/word_alignment.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include "attend/error.h"
#include "runtime/attention/token_spans.h"

namespace attend {
namespace {

constexpr double kTellingShare = 0.8;  // of the best head's mutual information
constexpr double kSpecialShare = 0.5;  // of a row, beyond which a word stands for nothing

enum class Script : std::uint8_t { space, letters, unspaced, other };

Script script_of(char32_t c) {
  if (is_space(c)) return Script::space;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  const bool letter = (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
                      (category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME) ||
                      (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
  if (!letter) return Script::other;
  // Thai and Lao; Myanmar; Khmer; kana and Han; half-width katakana; Han beyond the basic plane.
  static constexpr std::array<std::pair<char32_t, char32_t>, 8> kUnspaced = {{{0x0E00, 0x0EFF},
                                                                              {0x1000, 0x109F},
                                                                              {0x1780, 0x17FF},
                                                                              {0x3005, 0x30FF},
                                                                              {0x31F0, 0x9FFF},
                                                                              {0xF900, 0xFAFF},
                                                                              {0xFF66, 0xFF9F},
                                                                              {0x20000, 0x3FFFF}}};
  const auto in_range = [c](const auto& range) { return c >= range.first && c <= range.second; };
  return std::ranges::any_of(kUnspaced, in_range) ? Script::unspaced : Script::letters;
}

bool is_digit(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
}

// Whether the character at `i` holds what is around it together: don't, well-known, 10.5.
bool joins(const std::u32string& text, std::size_t i) {
  if (i == 0 || i + 1 == text.size()) return false;
  const char32_t c = text[i];
  if (c == U'\'' || c == U'\u2019' || c == U'-' || c == U'\u00AD') {
    return script_of(text[i - 1]) == Script::letters && script_of(text[i + 1]) == Script::letters;
  }
  return (c == U'.' || c == U',' || c == U':') && is_digit(text[i - 1]) && is_digit(text[i + 1]);
}

double entropy(std::span<const double> weights) {
  double sum = 0;
  for (const double w : weights) {
    if (w > 0) sum -= w * std::log(w);
  }
  return sum;
}

void check(const AttentionResult& result) {
  if (result.kind != AttentionKind::cross || result.maps.empty()) {
    throw usage_error("ALIGNMENT_KIND", std::string(to_string(result.kind)),
                      "words are aligned by cross-attention, which this model or request does not have");
  }
  if (result.query_text.empty() || result.key_text.empty()) {
    throw Error("TOKENIZER_MISSING", "alignment",
                "words need the text of both sides: the model directory has no tokenizer");
  }
}

std::vector<AlignmentHead> score_heads(const AttentionResult& result) {
  std::vector<AlignmentHead> heads;
  for (const AttentionMap& map : result.maps) {
    const Shape& shape = map.weights.shape();
    const auto size = static_cast<std::size_t>(shape[1] * shape[2]);
    for (std::size_t h = 0; h < map.heads.size(); ++h) {
      const auto weights = map.weights.f32().subspan(h * size, size);
      heads.push_back({map.layer, map.heads[h], mutual_information(weights, shape[1], shape[2])});
    }
  }
  return heads;
}

// Those that tell where words come from, best first.
std::vector<AlignmentHead> telling_heads(std::vector<AlignmentHead> heads) {
  std::int64_t layers = 0;
  for (const AlignmentHead& head : heads) layers = std::max(layers, head.layer + 1);
  std::erase_if(heads, [&](const AlignmentHead& head) { return head.layer < layers / 2; });
  std::ranges::stable_sort(heads, std::greater(), &AlignmentHead::score);
  const double least = kTellingShare * heads.front().score;
  std::erase_if(heads, [&](const AlignmentHead& head) { return head.score < least; });
  return heads;
}

// The mean of the heads' weights, [Q, K].
std::vector<double> mean_weights(const AttentionResult& result, std::span<const AlignmentHead> heads) {
  const Shape& shape = result.maps.front().weights.shape();
  const auto size = static_cast<std::size_t>(shape[1] * shape[2]);
  std::vector<double> mean(size);
  for (const AttentionMap& map : result.maps) {
    for (std::size_t h = 0; h < map.heads.size(); ++h) {
      const bool counts = std::ranges::any_of(heads, [&](const AlignmentHead& head) {
        return head.layer == map.layer && head.head == map.heads[h];
      });
      const auto weights = map.weights.f32().subspan(h * size, size);
      for (std::size_t i = 0; i < size && counts; ++i)
        mean[i] += static_cast<double>(weights[i]) / static_cast<double>(heads.size());
    }
  }
  return mean;
}

// The part of each token that lies in each word, [words][tokens].
std::vector<std::vector<double>> overlaps(std::span<const AlignedWord> words,
                                          std::span<const AttentionToken> tokens) {
  std::vector<std::vector<double>> shares(words.size(), std::vector<double>(tokens.size()));
  for (std::size_t w = 0; w < words.size(); ++w) {
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const AttentionToken& token = tokens[t];
      const std::int32_t common = std::min(words[w].end, token.end) - std::max(words[w].start, token.start);
      if (common > 0) shares[w][t] = static_cast<double>(common) / (token.end - token.start);
    }
  }
  return shares;
}

}  // namespace

std::vector<AlignedWord> words_of(const std::string& text, std::span<const AttentionToken> tokens) {
  const std::u32string points = code_points(text);
  std::vector<bool> token_begins(points.size());
  for (const AttentionToken& token : tokens) {
    if (token.start < token.end) token_begins[static_cast<std::size_t>(token.start)] = true;
  }
  std::vector<AlignedWord> words;
  Script last = Script::space;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Script script = joins(points, i) ? Script::letters : script_of(points[i]);
    const bool goes_on =
        script == last && (script == Script::letters || (script == Script::unspaced && !token_begins[i]));
    const auto at = static_cast<std::int32_t>(i);
    if (goes_on) {
      words.back().end = at + 1;
    } else if (script != Script::space) {
      words.push_back({.text = {}, .start = at, .end = at + 1});
    }
    last = script;
  }
  for (AlignedWord& word : words) {
    word.text = utf8(std::u32string_view(points).substr(static_cast<std::size_t>(word.start),
                                                        static_cast<std::size_t>(word.end - word.start)));
  }
  return words;
}

double mutual_information(std::span<const float> weights, std::int64_t rows, std::int64_t columns) {
  std::vector<double> mean(static_cast<std::size_t>(columns));
  double within = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = weights.subspan(static_cast<std::size_t>(r * columns), mean.size());
    const std::vector<double> exact(row.begin(), row.end());
    within += entropy(exact) / static_cast<double>(rows);
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += exact[c] / static_cast<double>(rows);
  }
  return std::max(0.0, entropy(mean) - within);
}

WordAlignment align_words(const AttentionResult& result, bool all_heads) {
  check(result);
  WordAlignment alignment;
  alignment.source = words_of(result.key_text, result.keys);
  alignment.target = words_of(result.query_text, result.queries);
  alignment.heads = score_heads(result);
  if (!all_heads) alignment.heads = telling_heads(std::move(alignment.heads));
  const std::vector<double> mean = mean_weights(result, alignment.heads);
  const auto sources = overlaps(alignment.source, result.keys);
  const auto targets = overlaps(alignment.target, result.queries);
  const std::size_t keys = result.keys.size();
  for (std::size_t t = 0; t < targets.size(); ++t) {
    std::vector<double> row(keys);
    double tokens = 0;
    for (std::size_t q = 0; q < targets[t].size(); ++q) {
      if (targets[t][q] == 0) continue;
      ++tokens;
      for (std::size_t k = 0; k < keys; ++k) row[k] += mean[q * keys + k];
    }
    if (tokens == 0) continue;
    double special = 0;
    for (std::size_t k = 0; k < keys; ++k) special += result.keys[k].special ? row[k] / tokens : 0.0;
    WordLink best{.source = 0, .target = t, .weight = 0};
    for (std::size_t s = 0; s < sources.size(); ++s) {
      double weight = 0;
      for (std::size_t k = 0; k < keys; ++k) weight += sources[s][k] * row[k] / tokens;
      if (weight > best.weight) best = {s, t, weight};
    }
    if (special <= kSpecialShare && best.weight > 0) alignment.links.push_back(best);
  }
  return alignment;
}

}  // namespace attend
