// Numbers of pieces by their text, which lies elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/sentencepiece_proto.h"

namespace attend {

// 16 to 32 bytes a piece. The pieces are passed to every call and do not change in between.
class PieceIndex {
 public:
  using Pieces = std::vector<SentencePieceProto::Piece>;

  // Room for this many.
  explicit PieceIndex(std::size_t pieces = 0) {
    std::size_t slots = 2;
    while (slots < pieces * 2) slots *= 2;
    slots_.resize(slots);
  }

  // False, and nothing changes, where an equal piece is there.
  bool insert(const Pieces& pieces, std::int32_t id) {
    const std::string_view text = pieces[static_cast<std::size_t>(id)].piece;
    Slot& slot = slots_[slot_of(pieces, text)];
    if (slot.id >= 0) return false;
    slot = {id, hash_of(text)};
    return true;
  }
  // -1 if there is no such piece.
  std::int32_t find(const Pieces& pieces, std::string_view text) const {
    return slots_[slot_of(pieces, text)].id;
  }

 private:
  struct Slot {
    std::int32_t id = -1;
    std::uint32_t hash = 0;  // to tell most other pieces without reading them
  };
  static std::uint32_t hash_of(std::string_view text) {
    const std::size_t hash = std::hash<std::string_view>()(text);
    return static_cast<std::uint32_t>(hash ^ hash >> 32U);
  }
  // Where the piece is, or where it would go.
  std::size_t slot_of(const Pieces& pieces, std::string_view text) const {
    const std::uint32_t hash = hash_of(text);
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    while (slots_[at].id >= 0 &&
           (slots_[at].hash != hash || pieces[static_cast<std::size_t>(slots_[at].id)].piece != text)) {
      at = (at + 1) & mask;
    }
    return at;
  }

  std::vector<Slot> slots_;  // open addressing, a power of two
};

}  // namespace attend
