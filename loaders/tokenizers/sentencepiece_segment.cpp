// The two searches of SentencePiece: the best path of the unigram model, and BPE's merges.
#include <algorithm>
#include <cstddef>
#include <queue>
#include <unordered_map>
#include <utility>

#include "loaders/tokenizers/sentencepiece_model.h"

namespace attend {

using PieceType = SentencePieceProto::PieceType;

namespace {
// How much less likely an unknown character is than the least likely piece, in natural logarithm.
constexpr float kUnknownPenalty = 10.0F;
}  // namespace

// Viterbi over byte positions. Sums are in f32, from the left, and a later path wins only when it is strictly
// better: both decide which of several equal segmentations is taken.
std::vector<SentencePieceModel::Segment> SentencePieceModel::segment_unigram(
    std::string_view normalized) const {
  struct Path {
    float score = 0.0F;
    std::int32_t id = -1;
    std::int32_t begin = -1;  // of the last piece; -1: no path yet
  };
  std::vector<Path> paths(normalized.size() + 1);
  const auto offer = [&](std::size_t begin, std::size_t end, std::int32_t id, float piece_score) {
    const float total = piece_score + paths[begin].score;
    if (paths[end].begin < 0 || total > paths[end].score) {
      paths[end] = {total, id, static_cast<std::int32_t>(begin)};
    }
  };
  for (std::size_t begin = 0; begin < normalized.size();) {
    const std::size_t character = utf8_character_size(normalized.substr(begin));
    bool known_character = false;
    std::uint32_t node = ByteTrie::kRoot;
    for (std::size_t end = begin; end < normalized.size();) {
      if (!trie_.step(node, static_cast<unsigned char>(normalized[end++]))) break;
      const std::int32_t id = trie_.value(node);
      if (id < 0 || type(id) == PieceType::unused) continue;
      const auto length = static_cast<float>(end - begin);
      // User-defined pieces get a score that always wins.
      offer(begin, end, id, type(id) == PieceType::user_defined ? length * max_score_ - 0.1F : score(id));
      known_character = known_character || end - begin == character;
    }
    if (!known_character) offer(begin, begin + character, proto_.unk_id, min_score_ - kUnknownPenalty);
    begin += character;
  }
  std::vector<Segment> segments;
  for (std::size_t end = normalized.size(); end > 0;) {
    const Path& path = paths[end];
    segments.push_back({static_cast<std::uint32_t>(path.begin), static_cast<std::uint32_t>(end), path.id});
    end = static_cast<std::size_t>(path.begin);
  }
  std::reverse(segments.begin(), segments.end());
  return segments;
}

namespace {

struct Symbol {
  std::int32_t previous, next;  // -1: none
  std::uint32_t begin, end;     // bytes; empty once merged into its left neighbour
  bool frozen;                  // user-defined pieces never merge
};

struct Merge {
  float score;
  std::int32_t left, right;
  std::uint32_t size;  // bytes of both when the merge was found

  // The best score first, then the leftmost.
  bool operator<(const Merge& other) const {
    return score < other.score || (score == other.score && left > other.left);
  }
};

}  // namespace

std::vector<SentencePieceModel::Segment> SentencePieceModel::segment_bpe(std::string_view normalized) const {
  std::vector<Symbol> symbols;
  for (std::size_t begin = 0; begin < normalized.size();) {
    bool frozen = false;
    const std::size_t end = begin + unit_size(normalized.substr(begin), frozen);
    const auto index = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({index - 1, end < normalized.size() ? index + 1 : -1, static_cast<std::uint32_t>(begin),
                       static_cast<std::uint32_t>(end), frozen});
    begin = end;
  }
  const auto text_of = [&](std::uint32_t begin, std::uint32_t end) {
    return normalized.substr(begin, end - begin);
  };

  std::priority_queue<Merge> merges;
  // Unused pieces are taken apart again at the end, the way they were merged.
  std::unordered_map<std::string_view, std::size_t> split_of_unused;
  const auto consider = [&](std::int32_t left, std::int32_t right) {
    if (left < 0 || right < 0) return;
    const Symbol& first = symbols[static_cast<std::size_t>(left)];
    const Symbol& second = symbols[static_cast<std::size_t>(right)];
    if (first.frozen || second.frozen) return;
    const std::string_view merged = text_of(first.begin, second.end);
    const std::int32_t id = matched_.find(proto_.pieces, merged);
    if (id < 0) return;
    merges.push({score(id), left, right, second.end - first.begin});
    if (type(id) == PieceType::unused) split_of_unused[merged] = first.end - first.begin;
  };
  for (std::size_t right = 1; right < symbols.size(); ++right) {
    consider(static_cast<std::int32_t>(right) - 1, static_cast<std::int32_t>(right));
  }
  while (!merges.empty()) {
    const Merge merge = merges.top();
    merges.pop();
    Symbol& left = symbols[static_cast<std::size_t>(merge.left)];
    Symbol& right = symbols[static_cast<std::size_t>(merge.right)];
    const bool stale = left.begin == left.end || right.begin == right.end ||
                       (left.end - left.begin) + (right.end - right.begin) != merge.size;
    if (stale) continue;
    left.end = right.end;
    left.next = right.next;
    right.begin = right.end;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = merge.left;
    consider(left.previous, merge.left);
    consider(merge.left, left.next);
  }

  std::vector<Segment> segments;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> open;
  for (std::int32_t index = symbols.empty() ? -1 : 0; index >= 0;
       index = symbols[static_cast<std::size_t>(index)].next) {
    open.emplace_back(symbols[static_cast<std::size_t>(index)].begin,
                      symbols[static_cast<std::size_t>(index)].end);
    while (!open.empty()) {
      const auto [begin, end] = open.back();
      open.pop_back();
      const std::int32_t id = piece_to_id(text_of(begin, end));
      const auto split =
          type(id) == PieceType::unused ? split_of_unused.find(text_of(begin, end)) : split_of_unused.end();
      if (split == split_of_unused.end()) {
        segments.push_back({begin, end, id});
        continue;
      }
      const auto middle = begin + static_cast<std::uint32_t>(split->second);
      open.emplace_back(middle, end);
      open.emplace_back(begin, middle);
    }
  }
  return segments;
}

}  // namespace attend
