#include "tools/cli/suggest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace attend::cli {
namespace {

// Edits (insertions, deletions, substitutions and swaps of neighbours) that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongest = 64;  // nobody mistypes a longer word
  if (word.empty() || word.size() > kLongest) return {};
  std::string best;
  std::size_t best_edits = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // A beginning that was cut short counts as one edit.
    const bool prefix = word.size() >= 3 && candidate.starts_with(word);
    const std::size_t edits = prefix ? 1 : edit_distance(word, candidate);
    if (edits < best_edits) {
      best = candidate;
      best_edits = edits;
    }
  }
  return best;
}

std::string nearest_first(std::string_view word, std::vector<std::string> candidates) {
  constexpr std::size_t kMost = 8;
  constexpr std::size_t kCompared = 200;  // letters of the word
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (std::string& candidate : candidates)
    ranked.emplace_back(edit_distance(word.substr(0, kCompared), candidate), std::move(candidate));
  std::ranges::stable_sort(ranked, {}, &std::pair<std::size_t, std::string>::first);
  std::string text;
  for (std::size_t i = 0; i < std::min(kMost, ranked.size()); ++i)
    text += (i == 0 ? "; nearest first: " : ", ") + ranked[i].second;
  if (ranked.size() > kMost) text += " (and " + std::to_string(ranked.size() - kMost) + " more)";
  return text;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                         std::string_view prefix) {
  const std::string best = nearest(word, candidates);
  return best.empty() ? std::string() : "; did you mean " + std::string(prefix) + best + "?";
}

}  // namespace attend::cli
