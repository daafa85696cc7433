// A tokenizer of one token per word between spaces, for tests of what tasks do with any tokenizer.
// Ids: 0 [PAD], 1 [CLS], 2 [SEP], 3 [MASK], then 4 + (number of code points in the word).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attend/tokenizer.h"
#include "runtime/tasks/unicode.h"

namespace attend::test {

class WordTokenizer : public Tokenizer {
 public:
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const override {
    std::vector<Word> first = words(text);
    std::vector<Word> second = options.pair ? words(*options.pair) : std::vector<Word>();
    const std::size_t added = !options.add_special_tokens ? 0 : options.pair ? 3 : 2;
    if (!options.truncation) return assembled(first, second, options);
    const auto limit = static_cast<std::size_t>(options.truncation->max_length);
    auto& cut = options.truncation->strategy == Truncation::Strategy::only_second ? second : first;
    const std::size_t others = first.size() + second.size() - cut.size() + added;
    if (cut.size() + others <= limit || others >= limit) return assembled(first, second, options);
    const std::vector<Word> all = cut;
    const std::size_t width = limit - others;
    std::vector<Encoding> windows;
    for (std::size_t at = 0;; at += width - static_cast<std::size_t>(options.truncation->stride)) {
      const std::size_t stop = std::min(at + width, all.size());
      cut.assign(all.begin() + static_cast<std::ptrdiff_t>(at),
                 all.begin() + static_cast<std::ptrdiff_t>(stop));
      windows.push_back(assembled(first, second, options));
      if (stop == all.size()) break;
    }
    Encoding result = windows.front();
    result.overflowing.assign(windows.begin() + 1, windows.end());
    return result;
  }

  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const override {
    std::string text;
    for (const std::int32_t id : ids) {
      if (skip_special_tokens && is_special(id)) continue;
      text += (text.empty() ? "" : " ") + *id_to_token(id);
    }
    return text;
  }
  std::optional<std::int32_t> token_to_id(std::string_view token) const override {
    for (std::int32_t id = 0; id < vocab_size(); ++id) {
      if (*id_to_token(id) == token) return id;
    }
    return std::nullopt;
  }
  std::optional<std::string> id_to_token(std::int32_t id) const override {
    static constexpr const char* kSpecial[] = {"[PAD]", "[CLS]", "[SEP]", "[MASK]"};
    if (id < 0 || id >= vocab_size()) return std::nullopt;
    return id < 4 ? std::string(kSpecial[id]) : "w" + std::to_string(id - 4);
  }
  std::int32_t vocab_size() const override { return 20; }
  bool is_special(std::int32_t id) const override { return id < 4; }
  SpecialTokenIds special_token_ids() const override { return special; }

  SpecialTokenIds special = {.bos = {}, .eos = {}, .unk = {}, .sep = 2, .pad = 0, .cls = 1, .mask = 3};

 private:
  struct Word {
    std::int32_t id, start, end, number;
  };

  static std::vector<Word> words(std::string_view text) {
    const tasks::CodePoints points(text);
    std::vector<Word> found;
    for (std::int32_t at = 0; at < points.size();) {
      std::int32_t end = at;
      while (end < points.size() && points.slice(end, end + 1) != " ") ++end;
      const std::int32_t id = points.slice(at, end) == "[MASK]" ? 3 : std::min(4 + end - at, 19);
      if (end > at) found.push_back({id, at, end, static_cast<std::int32_t>(found.size())});
      at = end + 1;
    }
    return found;
  }

  static Encoding assembled(const std::vector<Word>& first, const std::vector<Word>& second,
                            const EncodeOptions& options) {
    Encoding encoding;
    const auto add = [&](const Word& word, std::int32_t type, std::int32_t sequence) {
      encoding.ids.push_back(word.id);
      encoding.offsets.emplace_back(word.start, word.end);
      encoding.type_ids.push_back(type);
      encoding.sequence_ids.push_back(sequence);
      encoding.word_ids.push_back(word.number);
    };
    const auto special_token = [&](std::int32_t id, std::int32_t type) {
      if (options.add_special_tokens) add({id, 0, 0, -1}, type, -1);
    };
    special_token(1, 0);
    for (const Word& word : first) add(word, 0, 0);
    special_token(2, 0);
    for (const Word& word : second) add(word, 1, 1);
    if (options.pair) special_token(2, 1);
    return encoding;
  }
};

}  // namespace attend::test
