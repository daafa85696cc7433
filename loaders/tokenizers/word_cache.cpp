#include "loaders/tokenizers/word_cache.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace attend {

WordCache& WordCache::local() {
  thread_local WordCache cache;
  return cache;
}

std::size_t WordCache::place(std::uint32_t owner, std::string_view word) {
  return (std::hash<std::string_view>()(word) ^ owner * 0x9E3779B9u) & (kEntries - 1);
}

bool WordCache::find(std::uint32_t owner, std::string_view word, std::vector<ModelToken>& tokens) const {
  if (word.size() > kMaxWord) return false;
  const Entry& entry = entries_[place(owner, word)];
  if (entry.owner != owner || entry.length != word.size() ||
      std::memcmp(entry.word.data(), word.data(), word.size()) != 0)
    return false;
  for (std::size_t i = 0; i < entry.count; ++i) {
    const Token& token = entry.tokens[i];
    tokens.push_back({token.id, token.begin, token.end, token.surface});
  }
  return true;
}

void WordCache::put(std::uint32_t owner, std::string_view word, const std::vector<ModelToken>& tokens,
                    std::size_t first) {
  const std::size_t count = tokens.size() - first;
  if (word.size() > kMaxWord || count > kMaxTokens) return;
  const auto small = [](const ModelToken& token) { return token.end <= UINT8_MAX; };
  if (!std::all_of(tokens.begin() + static_cast<std::ptrdiff_t>(first), tokens.end(), small)) return;
  Entry& entry = entries_[place(owner, word)];
  entry.owner = owner;
  entry.length = static_cast<std::uint8_t>(word.size());
  entry.count = static_cast<std::uint8_t>(count);
  std::memcpy(entry.word.data(), word.data(), word.size());
  for (std::size_t i = 0; i < count; ++i) {
    const ModelToken& token = tokens[first + i];
    entry.tokens[i] = {token.id, static_cast<std::uint8_t>(token.begin), static_cast<std::uint8_t>(token.end),
                       token.surface};
  }
}

}  // namespace attend
