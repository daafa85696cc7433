// Tokens and their ids, both ways.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attend {

// Ids are below this, so that a table by id stays small.
inline constexpr std::uint64_t kMaxTokenId = (1u << 24) - 1;

class Vocabulary {
 public:
  void reserve(std::size_t tokens, std::size_t bytes);
  // Error TOK_ID_DUPLICATE (named by `where`) if the id is taken. A token that is there gets the new id.
  void add(std::string_view token, std::int32_t id, const std::string& where);

  // -1 if there is no such token.
  std::int32_t find(std::string_view token) const { return find(token, hash_of(token)); }
  // The same in two steps, for many tokens: prefetch() some time before find() hides the memory's latency.
  static std::uint64_t hash_of(std::string_view token) { return std::hash<std::string_view>()(token); }
  void prefetch(std::uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }
  std::int32_t find(std::string_view token, std::uint64_t hash) const;
  std::optional<std::string_view> token(std::int32_t id) const;
  std::size_t size() const { return entries_; }
  // Largest id plus one.
  std::int32_t end_id() const { return static_cast<std::int32_t>(by_id_.size()); }

  template <typename F>
  void for_each(F&& f) const {
    for (std::int32_t id = 0; id < end_id(); ++id)
      if (const auto text = token(id)) f(*text, id);
  }

 private:
  struct Slot {
    std::uint32_t begin = 0;
    std::uint32_t length = 0;
    std::int32_t id = -1;
    std::uint32_t hash = 0;  // its upper half, to tell most other tokens without reading them
  };
  std::size_t slot_of(std::string_view token, std::uint64_t hash) const;
  std::string_view text(const Slot& slot) const {
    return std::string_view(texts_).substr(slot.begin, slot.length);
  }
  void grow(std::size_t slots);

  std::string texts_;
  std::vector<Slot> slots_;  // open addressing, a power of two
  std::vector<Slot> by_id_;
  std::size_t entries_ = 0;
};

}  // namespace attend
