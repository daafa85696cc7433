// Rows brought into blocked layouts, for sizes that fill no vector and no cache line.
#include "engine/kernels/transpose_words.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <vector>

namespace attend {

TEST_CASE("words are transposed into their blocks", "[transpose]") {
  const std::int64_t rows = GENERATE(1, 3, 4, 7, 8, 64, 66);
  const std::int64_t words = GENERATE(1, 2, 4, 5, 15, 16, 17, 20, 37);
  constexpr std::int64_t kBlock = 8;  // rows of a block
  const std::int64_t stride = words + 3;
  std::vector<std::uint32_t> src(static_cast<std::size_t>(rows * stride));
  for (std::size_t i = 0; i < src.size(); ++i) src[i] = static_cast<std::uint32_t>(i + 1);
  std::vector<std::int64_t> row_offsets, word_offsets;
  for (std::int64_t r = 0; r < rows; ++r) row_offsets.push_back(r / kBlock * kBlock * words + r % kBlock);
  for (std::int64_t w = 0; w < words; ++w) word_offsets.push_back((words - 1 - w) * kBlock);
  const std::int64_t size = (rows + kBlock - 1) / kBlock * kBlock * words;
  std::vector<std::uint32_t> dst(static_cast<std::size_t>(size));
  transpose_words(src.data(), stride, rows, words, row_offsets.data(), word_offsets.data(), dst.data());
  std::vector<std::uint32_t> expected(dst.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t w = 0; w < words; ++w) {
      expected[static_cast<std::size_t>(row_offsets[static_cast<std::size_t>(r)] +
                                        word_offsets[static_cast<std::size_t>(w)])] =
          src[static_cast<std::size_t>(r * stride + w)];
    }
  }
  CHECK(dst == expected);
}

}  // namespace attend
