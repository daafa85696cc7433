// Activation functions on Highway vectors of f32; an -inl header as vector_math-inl.h is.

// clang-format off: the toggling include guard, as Highway asks for it
#if defined(ATTEND_ENGINE_KERNELS_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTEND_ENGINE_KERNELS_ACTIVATION_INL_H_
#undef ATTEND_ENGINE_KERNELS_ACTIVATION_INL_H_
#else
#define ATTEND_ENGINE_KERNELS_ACTIVATION_INL_H_
#endif
// clang-format on

#include <cstdint>

#include "engine/graph/attributes.h"
#include "engine/kernels/vector_math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

// act(x), for each lane by itself.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V apply_act(D d, Act act, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0F);
  const auto gated = [&](V t) HWY_ATTR { return hn::Div(x, hn::Add(one, exp_f32(d, hn::Neg(t)))); };
  switch (act) {
    case Act::none: break;
    case Act::relu: return hn::Max(x, hn::Zero(d));
    case Act::gelu: {
      const V erf = erf_f32(d, hn::Mul(x, hn::Set(d, 0.70710678118654752F)));
      return hn::Mul(hn::Mul(hn::Set(d, 0.5F), x), hn::Add(one, erf));
    }
    case Act::gelu_tanh: {
      const V cubic = hn::Mul(hn::Mul(x, x), hn::Mul(x, hn::Set(d, 0.044715F)));
      const V tanh = tanh_f32(d, hn::Mul(hn::Set(d, 0.79788456080286536F), hn::Add(x, cubic)));
      return hn::Mul(hn::Mul(hn::Set(d, 0.5F), x), hn::Add(one, tanh));
    }
    case Act::silu: return gated(x);
    case Act::quick_gelu: return gated(hn::Mul(x, hn::Set(d, 1.702F)));
    case Act::tanh: return tanh_f32(d, x);
    case Act::sigmoid: return hn::Div(one, hn::Add(one, exp_f32(d, hn::Neg(x))));
  }
  return x;
}

// dst[i] = f(i, src[i]) for `count` floats, f on vectors; the last, partial vector goes through a buffer.
template <class D, class F>
HWY_INLINE void transform_floats(D d, const float* src, float* dst, std::int64_t count, F&& f) {
  namespace hn = hwy::HWY_NAMESPACE;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(f(hn::LoadU(d, src + i)), d, dst + i);
  if (i == count) return;
  HWY_ALIGN float rest[hn::MaxLanes(d)] = {};
  for (std::int64_t k = 0; i + k < count; ++k) rest[k] = src[i + k];
  hn::Store(f(hn::Load(d, rest)), d, rest);
  for (std::int64_t k = 0; i + k < count; ++k) dst[i + k] = rest[k];
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#endif  // ATTEND_ENGINE_KERNELS_ACTIVATION_INL_H_
