#include "engine/kernels/transpose_words.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/transpose_words.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/transpose_4x4-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
void transpose(const std::uint32_t* src, std::int64_t stride, std::int64_t rows, std::int64_t words,
               const std::int64_t* row_offsets, const std::int64_t* word_offsets, std::uint32_t* dst) {
  constexpr std::int64_t kLine = 16;  // words: whole cache lines are read of each row
  const std::int64_t whole_rows = rows / 4 * 4;
  const std::int64_t whole_words = words / 4 * 4;
  for (std::int64_t first = 0; first < whole_words; first += kLine) {
    const std::int64_t last = std::min(first + kLine, whole_words);
    for (std::int64_t r = 0; r < whole_rows; r += 4) {
      for (std::int64_t w = first; w < last; w += 4)
        transpose_4x4(src + r * stride + w, stride,
                      [&](int i) HWY_ATTR { return dst + row_offsets[r] + word_offsets[w + i]; });
    }
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t w = r < whole_rows ? whole_words : 0; w < words; ++w)
      dst[row_offsets[r] + word_offsets[w]] = src[r * stride + w];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {
namespace {
HWY_EXPORT(transpose);
}

void transpose_words(const std::uint32_t* src, std::int64_t stride, std::int64_t rows, std::int64_t words,
                     const std::int64_t* row_offsets, const std::int64_t* word_offsets, std::uint32_t* dst) {
  HWY_DYNAMIC_DISPATCH(transpose)(src, stride, rows, words, row_offsets, word_offsets, dst);
}

}  // namespace attend
#endif
