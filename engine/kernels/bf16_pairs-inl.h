// Products of pairs of bf16 (VDPBF16PS), where the processor has them; an -inl header as vector_math-inl.h
// is.
//
// Highway 1.0 has no target with these instructions. What includes this begins its namespace with
// ATTEND_BEFORE_NAMESPACE(), which allows them; only functions that run after multiplies_pairs() was asked
// may contain them.

// clang-format off: the toggling include guard, as Highway asks for it
#if defined(ATTEND_ENGINE_KERNELS_BF16_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTEND_ENGINE_KERNELS_BF16_PAIRS_INL_H_
#undef ATTEND_ENGINE_KERNELS_BF16_PAIRS_INL_H_
#else
#define ATTEND_ENGINE_KERNELS_BF16_PAIRS_INL_H_
#endif
// clang-format on

#include <cstdint>

#include "engine/kernels/narrow-inl.h"
#include "hwy/highway.h"

#undef ATTEND_BF16_PAIRS
#undef ATTEND_BEFORE_NAMESPACE
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
#define ATTEND_BF16_PAIRS 1
#define ATTEND_BEFORE_NAMESPACE() HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512bf16")
#else
#define ATTEND_BF16_PAIRS 0
#define ATTEND_BEFORE_NAMESPACE() HWY_BEFORE_NAMESPACE()
#endif

ATTEND_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

inline bool multiplies_pairs() {
#if ATTEND_BF16_PAIRS
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

#if ATTEND_BF16_PAIRS
using PairSums = hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::CappedTag<float, 16>>;

// sum += a[0] b[0] + a[1] b[1], of the pairs of bf16 in each lane.
HWY_INLINE PairSums add_pairs(PairSums sum, PairSums a, PairSums b) {
  return PairSums{
      _mm512_dpbf16_ps(sum.raw, reinterpret_cast<__m512bh>(a.raw), reinterpret_cast<__m512bh>(b.raw))};
}
#endif

// store_bf16() for operands of such products: of 16 lanes denormals become 0.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void store_pairs(D d, V x, std::uint16_t* y) {
#if ATTEND_BF16_PAIRS
  (void)d;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.raw)));
#else
  store_bf16(d, x, y);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#endif  // ATTEND_ENGINE_KERNELS_BF16_PAIRS_INL_H_
