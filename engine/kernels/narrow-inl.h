// From f32 to bf16 and 8 bits, for kernels that store rows in them; an -inl header as vector_math-inl.h is.

// clang-format off: the toggling include guard, as Highway asks for it
#if defined(ATTEND_ENGINE_KERNELS_NARROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTEND_ENGINE_KERNELS_NARROW_INL_H_
#undef ATTEND_ENGINE_KERNELS_NARROW_INL_H_
#else
#define ATTEND_ENGINE_KERNELS_NARROW_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

// Stores x as bf16, rounded to the nearest and ties to even; NaN stays NaN.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void store_bf16([[maybe_unused]] D d, V x, std::uint16_t* y) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint16_t, D> du16;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1U));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFU))));
  const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x40U));
  const auto result = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, rounded);
  hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di, result)), du16, y);
}

// What a row is multiplied with before it is rounded, and the scale that undoes it. A row that holds an
// infinity or NaN has the factor 0 and the scale NaN.
struct RowScale {
  float factor = 1.0F;
  float scale = 1.0F;

  bool finite() const { return !std::isnan(scale); }
};

// Makes the largest magnitude of the row `levels`.
template <class D>
HWY_INLINE RowScale row_scale(D d, const float* x, std::int64_t width, int levels) {
  namespace hn = hwy::HWY_NAMESPACE;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  const hn::RebindToUnsigned<D> du;
  // Magnitudes compare as integers, and so do infinities and NaN above them.
  auto largest = hn::Zero(du);
  std::uint32_t rest = 0;
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes)
    largest = hn::Max(largest, hn::BitCast(du, hn::Abs(hn::LoadU(d, x + i))));
  for (; i < width; ++i) rest = std::max(rest, std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFU);
  const auto magnitude = std::bit_cast<float>(std::max(rest, hn::GetLane(hn::MaxOfLanes(du, largest))));
  if (!std::isfinite(magnitude)) return {0.0F, std::numeric_limits<float>::quiet_NaN()};
  // The inverse of denormals overflows; they are as good as zeros.
  const float inverse = magnitude > 0.0F ? static_cast<float>(levels) / magnitude : 0.0F;
  return {std::isfinite(inverse) ? inverse : 0.0F, magnitude / static_cast<float>(levels)};
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#endif  // ATTEND_ENGINE_KERNELS_NARROW_INL_H_
