// Remembers the tokens of short words. One table for each thread, shared by all tokenizers; a word replaces
// the one that was in its place, so the table never grows.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/token_model.h"

namespace attend {

class WordCache {
 public:
  // The calling thread's table.
  static WordCache& local();

  // Appends the tokens of the word; false if they are not known. `owner` is a tokenizer's own number, above
  // 0.
  bool find(std::uint32_t owner, std::string_view word, std::vector<ModelToken>& tokens) const;
  // Remembers tokens[first], ... as those of the word.
  void put(std::uint32_t owner, std::string_view word, const std::vector<ModelToken>& tokens,
           std::size_t first);

 private:
  static constexpr std::size_t kMaxWord = 30, kMaxTokens = 6, kEntries = 1u << 14;
  struct Token {
    std::int32_t id;
    std::uint8_t begin, end;
    bool surface;
  };
  struct Entry {
    std::uint32_t owner = 0;
    std::uint8_t length = 0, count = 0;
    std::array<char, kMaxWord> word;
    std::array<Token, kMaxTokens> tokens;
  };
  static std::size_t place(std::uint32_t owner, std::string_view word);

  std::unique_ptr<Entry[]> entries_ = std::make_unique<Entry[]>(kEntries);
};

}  // namespace attend
