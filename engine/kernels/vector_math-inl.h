// Elementary functions on Highway vectors of f32.
//
// An -inl header in Highway's sense: include it after hwy/highway.h inside a file that foreach_target.h
// compiles once per instruction set; everything lives in attend::HWY_NAMESPACE. Each lane depends on its own
// input only, and targets with fused multiply-add (AVX2 and later, NEON) give the same bits.

// clang-format off: the toggling include guard, as Highway asks for it
#if defined(ATTEND_ENGINE_KERNELS_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTEND_ENGINE_KERNELS_VECTOR_MATH_INL_H_
#undef ATTEND_ENGINE_KERNELS_VECTOR_MATH_INL_H_
#else
#define ATTEND_ENGINE_KERNELS_VECTOR_MATH_INL_H_
#endif
// clang-format on

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

// e^r - 1 for |r| <= ln 2 / 2: r + r^2 q(r), q the minimax polynomial of degree 4 (relative error of e^r
// 3e-9).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V exp_minus_one_reduced(D d, V r) {
  namespace hn = hwy::HWY_NAMESPACE;
  V q = hn::Set(d, 0.0013814320554956794f);
  q = hn::MulAdd(q, r, hn::Set(d, 0.00836885068565607f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.041668400168418884f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.1666651964187622f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.4999999403953552f));
  return hn::MulAdd(hn::Mul(q, r), r, r);
}

// x - n ln 2, with ln 2 in two parts so that n times the first is exact (Cody and Waite).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V subtract_n_ln2(D d, V x, V n) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  return hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
}

// e^x within 1 ulp (denormal results within 2); exp(-inf) = 0, exp(inf) = inf, NaN stays NaN.
// 2^n is applied in two halves, so that n = 128 and denormal results need no special case.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V exp_f32(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  const V clamped = hn::Min(hn::Max(x, hn::Set(d, -104.0f)), hn::Set(d, 89.0f));
  const auto n = hn::NearestInt(hn::Mul(clamped, hn::Set(d, 1.44269504f)));
  const V r = subtract_n_ln2(d, clamped, hn::ConvertTo(d, n));
  const V p = hn::Add(exp_minus_one_reduced(d, r), hn::Set(d, 1.0f));
  const auto half = hn::ShiftRight<1>(n);
  const auto power_of_two = [&](auto e) HWY_ATTR {
    return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(e, hn::Set(di, 127))));
  };
  const V result = hn::Mul(hn::Mul(p, power_of_two(half)), power_of_two(hn::Sub(n, half)));
  return hn::IfThenElse(hn::IsNaN(x), x, result);
}

// e^x for x <= 0 within 1 ulp, as softmax needs it: about half the work of exp_f32. Below -87 (and for -inf
// and NaN) the result is 0.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V exp_nonpositive_f32(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  // Adding 1.5 * 2^23 leaves round(x / ln 2) in the low bits of the mantissa.
  const V magic = hn::Set(d, 12582912.0f);
  const V shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), magic);
  const V r = subtract_n_ln2(d, x, hn::Sub(shifted, magic));
  const V p = hn::Add(exp_minus_one_reduced(d, r), hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  const V result = hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(d, -87.0f)), result);
}

// tanh x within 2 ulp; odd, NaN stays NaN. Below 0.625 a minimax polynomial in x^2, else 1 - 2 e / (1 + e)
// with e = exp(-2 |x|).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V tanh_f32(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V a = hn::Abs(x);
  const V z = hn::Mul(x, x);
  V p = hn::Set(d, -0.005717045161873102f);
  p = hn::MulAdd(p, z, hn::Set(d, 0.02065058797597885f));
  p = hn::MulAdd(p, z, hn::Set(d, -0.05374349653720856f));
  p = hn::MulAdd(p, z, hn::Set(d, 0.13331490755081177f));
  p = hn::MulAdd(p, z, hn::Set(d, -0.3333328366279602f));
  const V small = hn::MulAdd(hn::Mul(p, z), a, a);
  const V e = exp_nonpositive_f32(d, hn::Mul(a, hn::Set(d, -2.0f)));
  const V one = hn::Set(d, 1.0f);
  const V large = hn::Sub(one, hn::Div(hn::Add(e, e), hn::Add(one, e)));
  const V result = hn::CopySign(hn::IfThenElse(hn::Lt(a, hn::Set(d, 0.625f)), small, large), x);
  return hn::IfThenElse(hn::IsNaN(x), x, result);
}

// erf x within 8 ulp; odd, NaN stays NaN: x P(x^2) / Q(x^2), fitted for the least relative error (2e-8) up to
// |x| = 3.92, beyond which it rounds to 1. A division costs less than the exponential of other forms.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V erf_f32(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0f);
  const V a = hn::Min(hn::Abs(x), hn::Set(d, 4.0f));
  const V z = hn::Mul(a, a);
  V p = hn::Set(d, 2.050107696049963e-06f);
  p = hn::MulAdd(p, z, hn::Set(d, 0.00028487647068686783f));
  p = hn::MulAdd(p, z, hn::Set(d, 0.003765399567782879f));
  p = hn::MulAdd(p, z, hn::Set(d, 0.052748050540685654f));
  p = hn::MulAdd(p, z, hn::Set(d, 0.1904015988111496f));
  p = hn::MulAdd(p, z, hn::Set(d, 1.1283791065216064f));
  V q = hn::Set(d, 3.809159534284845e-05f);
  q = hn::MulAdd(q, z, hn::Set(d, 0.0011624802136793733f));
  q = hn::MulAdd(q, z, hn::Set(d, 0.014968783594667912f));
  q = hn::MulAdd(q, z, hn::Set(d, 0.11410707980394363f));
  q = hn::MulAdd(q, z, hn::Set(d, 0.5020717978477478f));
  q = hn::MulAdd(q, z, one);
  const V result = hn::CopySign(hn::Min(hn::Div(hn::Mul(a, p), q), one), x);
  return hn::IfThenElse(hn::IsNaN(x), x, result);
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#endif  // ATTEND_ENGINE_KERNELS_VECTOR_MATH_INL_H_
