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
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

// finish_outputs() for one activation and kind of sums, so that nothing is asked within the loop.
template <Act kAct, bool kInteger, class D>
void finish_outputs_of(D d, const void* sums, std::int64_t row, std::int64_t width, std::int64_t first,
                       std::int64_t count, const Epilogue& how, float* y) {
  namespace hn = hwy::HWY_NAMESPACE;
  using V = hn::Vec<D>;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const V scale = hn::Set(d, kInteger ? how.row_scales[row] : 1.0F);
  const auto zero = hn::Set(di, how.zero);
  const auto one = [&](const float* sum, const std::int32_t* weight_sum, const float* weight_scale,
                       const float* bias, const float* summand, const float* factor, float* out) HWY_ATTR
      __attribute__((always_inline)) {
    V value = hn::LoadU(d, sum);
    if constexpr (kInteger) {
      const auto exact = hn::Sub(hn::BitCast(di, value), hn::Mul(zero, hn::LoadU(di, weight_sum)));
      value = hn::Mul(hn::ConvertTo(d, exact), hn::Mul(scale, hn::LoadU(d, weight_scale)));
    }
    if (bias != nullptr) value = hn::Add(value, hn::LoadU(d, bias));
    value = apply_act(d, kAct, value);
    if (summand != nullptr) value = hn::Add(value, hn::LoadU(d, summand));
    if (factor != nullptr) value = hn::Mul(value, hn::LoadU(d, factor));
    hn::StoreU(value, d, out);
  };
  const auto* x = static_cast<const float*>(sums);
  float* out = y + row * width + first;
  const float* summand = how.combine == DenseSpec::add ? out : nullptr;
  const float* factor = how.combine == DenseSpec::multiply ? how.other + row * width + first : nullptr;
  const auto at = [](const auto* p, std::int64_t i) { return p == nullptr ? p : p + i; };
  const float* bias = at(how.bias, first);
  const float* weight_scales = at(how.weight_scales, first);
  const std::int32_t* weight_sums = at(how.weight_sums, first);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    one(x + i, at(weight_sums, i), at(weight_scales, i), at(bias, i), at(summand, i), at(factor, i), out + i);
  if (i == count) return;
  // The last, partial vector through buffers, with the same operations.
  HWY_ALIGN std::int32_t some_weight_sums[16] = {};
  HWY_ALIGN float some[16] = {}, scales[16] = {}, biases[16] = {}, summands[16] = {}, factors[16] = {};
  const auto copy = [&](const auto* from, auto* to) {
    if (from != nullptr) std::copy(from + i, from + count, to);
    return from == nullptr ? nullptr : to;
  };
  one(copy(x, some), copy(weight_sums, some_weight_sums), copy(weight_scales, scales), copy(bias, biases),
      copy(summand, summands), copy(factor, factors), some);
  std::copy(some, some + (count - i), out + i);
}

// Finishes outputs [first, first + count) of row `row`: `sums` are those of these outputs, and y is
// [rows, width]. Sums may lie where their outputs go, unless y is added to. An output's bits do not depend on
// the range that it is in.
template <class D>
void finish_outputs(D d, const void* sums, std::int64_t row, std::int64_t width, std::int64_t first,
                    std::int64_t count, const Epilogue& how, float* y) {
  const auto run = [&]<Act act>(std::integral_constant<Act, act>) HWY_ATTR {
    if (how.row_scales != nullptr) {
      finish_outputs_of<act, true>(d, sums, row, width, first, count, how, y);
    } else {
      finish_outputs_of<act, false>(d, sums, row, width, first, count, how, y);
    }
  };
  switch (how.act) {
    case Act::none: return run(std::integral_constant<Act, Act::none>());
    case Act::relu: return run(std::integral_constant<Act, Act::relu>());
    case Act::gelu: return run(std::integral_constant<Act, Act::gelu>());
    case Act::gelu_tanh: return run(std::integral_constant<Act, Act::gelu_tanh>());
    case Act::silu: return run(std::integral_constant<Act, Act::silu>());
    case Act::quick_gelu: return run(std::integral_constant<Act, Act::quick_gelu>());
    case Act::tanh: return run(std::integral_constant<Act, Act::tanh>());
    case Act::sigmoid: return run(std::integral_constant<Act, Act::sigmoid>());
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#endif  // ATTEND_ENGINE_KERNELS_EPILOGUE_INL_H_
