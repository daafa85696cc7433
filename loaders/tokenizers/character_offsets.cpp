#include "loaders/tokenizers/character_offsets.h"

#include <algorithm>

#include "loaders/tokenizers/utf8.h"

namespace attend {

CharacterOffsets::CharacterOffsets(std::string_view text) : text_(text) {
  const auto is_ascii = [](char byte) { return static_cast<unsigned char>(byte) < 0x80; };
  if (std::all_of(text.begin(), text.end(), is_ascii)) return;
  before_block_.reserve(text.size() / kBlock + 1);
  std::uint32_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (at % kBlock == 0) before_block_.push_back(count);
    count += !is_utf8_continuation(text[at]);
  }
}

std::uint32_t CharacterOffsets::character(std::uint32_t at) const {
  if (before_block_.empty()) return at;
  std::uint32_t count = before_block_[at / kBlock];
  for (std::uint32_t i = at / kBlock * kBlock; i <= at; ++i) count += !is_utf8_continuation(text_[i]);
  return count - 1;
}

std::pair<std::int32_t, std::int32_t> CharacterOffsets::convert(std::uint32_t begin,
                                                                std::uint32_t end) const {
  const auto as_int = [](std::uint32_t value) { return static_cast<std::int32_t>(value); };
  if (begin >= text_.size()) return {as_int(begin), as_int(end)};
  const std::uint32_t first = character(begin);
  if (end < text_.size()) return {as_int(first), as_int(character(end))};
  // The end of the text, or past it.
  const std::uint32_t last = end - 1 < text_.size() ? character(end - 1) : first + 1;
  return {as_int(first), as_int(last + 1)};
}

}  // namespace attend
