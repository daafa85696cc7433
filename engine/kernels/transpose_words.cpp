#include "engine/kernels/transpose_words.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/transpose_words.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Four words of four rows, in vectors of 128 bits: memory is the limit, not the shuffles.
void transpose_4x4(const std::uint32_t* src, std::int64_t stride, const std::int64_t* word_offsets,
                   std::uint32_t* dst) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t w = 0; w < 4; ++w) {
    for (std::int64_t r = 0; r < 4; ++r) dst[word_offsets[w] + r] = src[r * stride + w];
  }
#else
  const hn::FixedTag<std::uint32_t, 4> d;
  const hn::FixedTag<std::uint64_t, 2> d64;
  const auto r0 = hn::LoadU(d, src);
  const auto r1 = hn::LoadU(d, src + stride);
  const auto r2 = hn::LoadU(d, src + 2 * stride);
  const auto r3 = hn::LoadU(d, src + 3 * stride);
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, dst + word_offsets[0]);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, dst + word_offsets[1]);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, dst + word_offsets[2]);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, dst + word_offsets[3]);
#endif
}

void transpose(const std::uint32_t* src, std::int64_t stride, std::int64_t rows, std::int64_t words,
               const std::int64_t* row_offsets, const std::int64_t* word_offsets, std::uint32_t* dst) {
  constexpr std::int64_t kLine = 16;  // words: whole cache lines are read of each row
  const std::int64_t whole_rows = rows / 4 * 4;
  const std::int64_t whole_words = words / 4 * 4;
  for (std::int64_t first = 0; first < whole_words; first += kLine) {
    const std::int64_t last = std::min(first + kLine, whole_words);
    for (std::int64_t r = 0; r < whole_rows; r += 4) {
      for (std::int64_t w = first; w < last; w += 4)
        transpose_4x4(src + r * stride + w, stride, word_offsets + w, dst + row_offsets[r]);
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
