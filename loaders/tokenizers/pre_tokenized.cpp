#include "loaders/tokenizers/pre_tokenized.h"

#include <algorithm>

namespace attend {

void PreTokenized::append(const NormalizedString& text, std::int32_t token) {
  if (text.empty()) return;
  const auto begin = static_cast<std::uint32_t>(text_.size());
  text_.append(text.text());
  alignments_.insert(alignments_.end(), text.alignments().begin(), text.alignments().end());
  pieces_.push_back(
      {begin, static_cast<std::uint32_t>(text_.size()), text.original_begin(), text.original_end(), token});
}

void PreTokenized::append_slice(const NormalizedString& text, std::uint32_t begin, std::uint32_t end,
                                std::int32_t token) {
  if (begin >= end) return;
  const auto first = static_cast<std::uint32_t>(text_.size());
  const auto slice = text.alignments().subspan(begin, end - begin);
  text_.append(text.text(), begin, end - begin);
  alignments_.insert(alignments_.end(), slice.begin(), slice.end());
  pieces_.push_back(
      {first, static_cast<std::uint32_t>(text_.size()), slice.front().begin, slice.back().end, token});
}

void PreTokenized::add_parts(const Piece& piece, std::vector<MatchSpan>& spans, SplitBehavior behavior) {
  apply_behavior(spans, behavior);
  for (const MatchSpan& span : spans) {
    if (span.matched || span.begin == span.end) continue;
    const std::uint32_t begin = piece.begin + span.begin, end = piece.begin + span.end;
    pieces_.push_back({begin, end, alignments_[begin].begin, alignments_[end - 1].end, -1});
  }
}

void apply_behavior(std::vector<MatchSpan>& spans, SplitBehavior behavior) {
  if (behavior == SplitBehavior::removed) return;
  if (behavior == SplitBehavior::isolated) {
    for (MatchSpan& span : spans) span.matched = false;
    return;
  }
  const bool backward = behavior == SplitBehavior::merged_with_next;
  if (backward) std::reverse(spans.begin(), spans.end());
  std::size_t kept = 0;
  bool previous = false;
  for (const MatchSpan span : spans) {
    // Contiguous joins equals; the others join a match to what is before it, unless that is a match too.
    const bool joined =
        behavior == SplitBehavior::contiguous ? span.matched == previous : span.matched && !previous;
    previous = span.matched;
    if (joined && kept > 0) {
      if (backward)
        spans[kept - 1].begin = span.begin;
      else
        spans[kept - 1].end = span.end;
    } else {
      spans[kept++] = {span.begin, span.end, false};
    }
  }
  spans.resize(kept);
  if (backward) std::reverse(spans.begin(), spans.end());
}

}  // namespace attend
