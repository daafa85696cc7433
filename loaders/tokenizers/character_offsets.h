// From bytes to code points of one text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace attend {

class CharacterOffsets {
 public:
  explicit CharacterOffsets(std::string_view text);

  // A range of bytes as code points. What does not begin inside the text stays as it is (as in the
  // reference).
  std::pair<std::int32_t, std::int32_t> convert(std::uint32_t begin, std::uint32_t end) const;

 private:
  // Code points before the character that byte `at`, inside the text, is part of.
  std::uint32_t character(std::uint32_t at) const;

  static constexpr std::uint32_t kBlock = 64;
  std::string_view text_;
  std::vector<std::uint32_t>
      before_block_;  // characters that begin before each block; empty if the text is ASCII
};

}  // namespace attend
