#include "loaders/tokenizers/vocabulary.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "attend/error.h"
#include "loaders/files/message_text.h"

namespace attend {

void Vocabulary::reserve(std::size_t tokens, std::size_t bytes) {
  texts_.reserve(bytes);
  std::size_t slots = 16;
  while (slots < tokens * 2) slots *= 2;
  grow(slots);
}

void Vocabulary::grow(std::size_t slots) {
  std::vector<Slot> before(slots);
  before.swap(slots_);
  for (const Slot& slot : before)
    if (slot.id >= 0) slots_[slot_of(text(slot), hash_of(text(slot)))] = slot;
}

// Where the token is, or where it would go.
std::size_t Vocabulary::slot_of(std::string_view token, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].id >= 0 && (slots_[at].hash != hash >> 32U || text(slots_[at]) != token))
    at = (at + 1) & mask;
  return at;
}

void Vocabulary::add(std::string_view token, std::int32_t id, const std::string& where) {
  if (slots_.size() < (entries_ + 1) * 2) grow(slots_.empty() ? 16 : slots_.size() * 2);
  const auto index = static_cast<std::size_t>(id);
  if (index >= by_id_.size()) by_id_.resize(index + 1);
  if (by_id_[index].id >= 0)
    throw Error(
        "TOK_ID_DUPLICATE", where,
        fmt::format("id {} belongs to {} and to {}", id, quote_text(text(by_id_[index])), quote_text(token)));
  const std::uint64_t hash = hash_of(token);
  Slot& slot = slots_[slot_of(token, hash)];
  if (slot.id < 0) {
    if (texts_.size() + token.size() > std::numeric_limits<std::uint32_t>::max())
      throw Error("TOK_LIMIT", where, "the tokens have more than 4 GiB together");
    slot.begin = static_cast<std::uint32_t>(texts_.size());
    slot.length = static_cast<std::uint32_t>(token.size());
    slot.hash = static_cast<std::uint32_t>(hash >> 32U);
    texts_.append(token);
    ++entries_;
  }
  slot.id = id;
  by_id_[index] = slot;
}

std::int32_t Vocabulary::find(std::string_view token, std::uint64_t hash) const {
  if (slots_.empty()) return -1;
  return slots_[slot_of(token, hash)].id;
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const {
  if (id < 0 || id >= end_id() || by_id_[static_cast<std::size_t>(id)].id < 0) return std::nullopt;
  return text(by_id_[static_cast<std::size_t>(id)]);
}

}  // namespace attend
