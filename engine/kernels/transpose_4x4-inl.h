// Words transposed in registers; an -inl header as vector_math-inl.h is.

// clang-format off: the toggling include guard, as Highway asks for it
#if defined(ATTEND_ENGINE_KERNELS_TRANSPOSE_4X4_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTEND_ENGINE_KERNELS_TRANSPOSE_4X4_INL_H_
#undef ATTEND_ENGINE_KERNELS_TRANSPOSE_4X4_INL_H_
#else
#define ATTEND_ENGINE_KERNELS_TRANSPOSE_4X4_INL_H_
#endif
// clang-format on

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

// place(w)[r] = rows[r * stride + w] for four words of four rows. Vectors of 128 bits: memory is the limit,
// not the shuffles.
template <typename Place>
HWY_INLINE void transpose_4x4(const std::uint32_t* rows, std::int64_t stride, Place&& place) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_SCALAR
  for (int w = 0; w < 4; ++w) {
    for (std::int64_t r = 0; r < 4; ++r) place(w)[r] = rows[r * stride + w];
  }
#else
  const hn::FixedTag<std::uint32_t, 4> d;
  const hn::FixedTag<std::uint64_t, 2> d64;
  const auto r0 = hn::LoadU(d, rows);
  const auto r1 = hn::LoadU(d, rows + stride);
  const auto r2 = hn::LoadU(d, rows + 2 * stride);
  const auto r3 = hn::LoadU(d, rows + 3 * stride);
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, place(0));
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, place(1));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, place(2));
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, place(3));
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#endif  // ATTEND_ENGINE_KERNELS_TRANSPOSE_4X4_INL_H_
