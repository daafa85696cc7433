// The text of one sequence, cut into pieces: some are added tokens already, the others go to the model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/normalized_string.h"

namespace attend {

// What a pattern's matches become.
enum class SplitBehavior : std::uint8_t {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous
};

struct Piece {
  std::uint32_t begin, end;                    // bytes of the text as it is now
  std::uint32_t original_begin, original_end;  // bytes of the original text
  std::int32_t token = -1;                     // id if the piece is an added token
};

class PreTokenized {
 public:
  // Adds a piece at the end. Empty pieces are dropped.
  void append(const NormalizedString& text, std::int32_t token = -1);
  // The part [begin, end) of `text`.
  void append_slice(const NormalizedString& text, std::uint32_t begin, std::uint32_t end,
                    std::int32_t token = -1);

  const std::vector<Piece>& pieces() const { return pieces_; }
  std::string_view text(const Piece& piece) const {
    return std::string_view(text_).substr(piece.begin, piece.end - piece.begin);
  }
  std::span<const Alignment> alignments(const Piece& piece) const {
    return std::span(alignments_).subspan(piece.begin, piece.end - piece.begin);
  }

  // Cuts every piece that is no token: find(text, spans) fills spans that cover the text.
  template <typename Find>
  void split(Find&& find, SplitBehavior behavior);
  // Changes every piece that is no token: change(NormalizedString&).
  template <typename Change>
  void rewrite(Change&& change);

 private:
  // Adds what becomes of the piece to pieces_.
  void add_parts(const Piece& piece, std::vector<MatchSpan>& spans, SplitBehavior behavior);

  std::string text_;
  std::vector<Alignment> alignments_;
  std::vector<Piece> pieces_;
};

// Turns matches into parts: afterwards `matched` marks the parts to leave out.
void apply_behavior(std::vector<MatchSpan>& spans, SplitBehavior behavior);

template <typename Find>
void PreTokenized::split(Find&& find, SplitBehavior behavior) {
  std::vector<Piece> before;
  before.swap(pieces_);
  pieces_.reserve(before.size());
  std::vector<MatchSpan> spans;
  for (const Piece& piece : before) {
    if (piece.token >= 0) {
      pieces_.push_back(piece);
      continue;
    }
    spans.clear();
    find(text(piece), spans);
    add_parts(piece, spans, behavior);
  }
}

template <typename Change>
void PreTokenized::rewrite(Change&& change) {
  PreTokenized after;
  after.pieces_.reserve(pieces_.size());
  after.text_.reserve(text_.size() + text_.size() / 8);
  after.alignments_.reserve(text_.size() + text_.size() / 8);
  NormalizedString scratch;
  for (const Piece& piece : pieces_) {
    scratch.assign(text(piece), alignments(piece), piece.original_begin, piece.original_end);
    if (piece.token < 0) change(scratch);
    after.append(scratch, piece.token);
  }
  *this = std::move(after);
}

}  // namespace attend
