// Rows of a matrix brought into the blocked layout of a product, whatever the width of its elements.
#pragma once

#include <cstdint>

namespace attend {

// dst[row_offsets[r] + word_offsets[w]] = src[r * stride + w], for r < rows and w < words.
//
// A word is 32 bits: one f32, two bf16 or four i8 of a row, which blocked layouts keep side by side. The
// offsets of rows 4i to 4i + 3 are consecutive.
void transpose_words(const std::uint32_t* src, std::int64_t stride, std::int64_t rows, std::int64_t words,
                     const std::int64_t* row_offsets, const std::int64_t* word_offsets, std::uint32_t* dst);

}  // namespace attend
