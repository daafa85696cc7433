// Epilogues on Highway vectors; an -inl header as vector_math-inl.h is.

// clang-format off: the toggling include guard, as Highway asks for it
#if defined(ATTEND_ENGINE_KERNELS_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTEND_ENGINE_KERNELS_EPILOGUE_INL_H_
#undef ATTEND_ENGINE_KERNELS_EPILOGUE_INL_H_
#else
#define ATTEND_ENGINE_KERNELS_EPILOGUE_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "engine/kernels/activation-inl.h"
#include "engine/kernels/epilogue.h"
#include "engine/kernels/narrow-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

// The first `count` elements of a vector, which may be fewer than it has; the rest is zero.
template <class D, class T = hwy::HWY_NAMESPACE::TFromD<D>>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_some(D d, const T* from, std::int64_t count) {
  namespace hn = hwy::HWY_NAMESPACE;
  if (count >= static_cast<std::int64_t>(hn::Lanes(d))) return hn::LoadU(d, from);
  HWY_ALIGN T buffer[hn::MaxLanes(d)] = {};
  if (count > 0) std::copy_n(from, count, buffer);
  return hn::Load(d, buffer);
}

template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void store_some(D d, V value, std::int64_t count, float* to) {
  namespace hn = hwy::HWY_NAMESPACE;
  if (count >= static_cast<std::int64_t>(hn::Lanes(d))) return hn::StoreU(value, d, to);
  HWY_ALIGN float buffer[hn::MaxLanes(d)];
  hn::Store(value, d, buffer);
  if (count > 0) std::copy_n(buffer, count, to);
}

template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void store_some(D d, V value, std::int64_t count, std::uint16_t* to) {
  namespace hn = hwy::HWY_NAMESPACE;
  if (count >= static_cast<std::int64_t>(hn::Lanes(d))) return store_bf16(d, value, to);
  HWY_ALIGN std::uint16_t buffer[hn::MaxLanes(d)];
  store_bf16(d, value, buffer);
  if (count > 0) std::copy_n(buffer, count, to);
}

// The first part of an epilogue, for a vector of outputs of any row: scales of integer sums, and the bias.
template <bool kInteger, class D>
class Scaling {
  using V = hwy::HWY_NAMESPACE::Vec<D>;
  using DI = hwy::HWY_NAMESPACE::RebindToSigned<D>;

 public:
  // Of outputs [first, first + count).
  HWY_INLINE Scaling(D d, const Epilogue& how, std::int64_t first, std::int64_t count) {
    namespace hn = hwy::HWY_NAMESPACE;
    has_bias_ = how.bias != nullptr;
    if (has_bias_) bias_ = load_some(d, how.bias + first, count);
    if constexpr (kInteger) {
      weight_scale_ = load_some(d, how.weight_scales + first, count);
      offset_ = hn::Mul(hn::Set(DI(), how.zero), load_some(DI(), how.weight_sums + first, count));
    }
  }

  // Integer sums come as bits. `row_scale` is read only with them.
  HWY_INLINE V apply(D d, V sum, const float* row_scale) const {
    namespace hn = hwy::HWY_NAMESPACE;
    if constexpr (kInteger) {
      const V scale = hn::Mul(hn::Set(d, *row_scale), weight_scale_);
      const V exact = hn::ConvertTo(d, hn::Sub(hn::BitCast(DI(), sum), offset_));
      return has_bias_ ? hn::MulAdd(exact, scale, bias_) : hn::Mul(exact, scale);
    } else {
      return has_bias_ ? hn::Add(sum, bias_) : sum;
    }
  }

 private:
  bool has_bias_;
  V bias_, weight_scale_;
  hwy::HWY_NAMESPACE::Vec<DI> offset_;
};

// The rest of it, for `count` outputs at `place` of y: the activation, and what the matrix is combined with.
template <Act kAct, class D, class Y, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void combine(D d, V value, const Epilogue& how, std::int64_t place, std::int64_t count, Y* y) {
  namespace hn = hwy::HWY_NAMESPACE;
  value = apply_act(d, kAct, value);
  if constexpr (std::is_same_v<Y, float>) {
    if (how.combine == DenseSpec::add) value = hn::Add(value, load_some(d, y + place, count));
  }
  if (how.combine == DenseSpec::multiply) value = hn::Mul(value, load_some(d, how.other + place, count));
  store_some(d, value, count, y + place);
}

// Calls f.template operator()<act>(), so that nothing is asked in loops.
template <class F>
HWY_INLINE void with_act(Act act, const F& f) {
  switch (act) {
    case Act::none: return f.template operator()<Act::none>();
    case Act::relu: return f.template operator()<Act::relu>();
    case Act::gelu: return f.template operator()<Act::gelu>();
    case Act::gelu_tanh: return f.template operator()<Act::gelu_tanh>();
    case Act::silu: return f.template operator()<Act::silu>();
    case Act::quick_gelu: return f.template operator()<Act::quick_gelu>();
    case Act::tanh: return f.template operator()<Act::tanh>();
    case Act::sigmoid: return f.template operator()<Act::sigmoid>();
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#endif  // ATTEND_ENGINE_KERNELS_EPILOGUE_INL_H_
