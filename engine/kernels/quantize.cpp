#include "engine/kernels/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/quantize.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/activation-inl.h"
#include "engine/kernels/narrow-inl.h"
#include "engine/profiler/worker_spans.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));

std::uint16_t bf16_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (x != x) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

void round_range(const float* x, std::int64_t count, std::uint16_t* y) {
  const D d;
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store_bf16(d, hn::LoadU(d, x + i), y + i);
  for (; i < count; ++i) y[i] = bf16_of(x[i]);
}

void quantize_row(const float* x, std::int64_t width, int levels, std::uint8_t* q, float* scale) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint8_t, D> du8;
  const RowScale row = row_scale(d, x, width, levels);
  *scale = row.scale;
  if (!row.finite()) {
    std::fill_n(q, width, static_cast<std::uint8_t>(levels + 1));
    return;
  }
  const V factor_v = hn::Set(d, row.factor);
  const auto zero_v = hn::Set(di, levels + 1);
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), factor_v));
    hn::StoreU(hn::DemoteTo(du8, hn::Add(rounded, zero_v)), du8, q + i);
  }
  for (; i < width; ++i) {
    q[i] = static_cast<std::uint8_t>(static_cast<int>(std::nearbyint(x[i] * row.factor)) + levels + 1);
  }
}

void quantize_weight_row(const float* w, std::int64_t width, std::int8_t* q, float* scale) {
  const D d;
  const hn::Rebind<std::int8_t, D> di8;
  const RowScale row = row_scale(d, w, width, 127);
  *scale = row.scale;
  if (!row.finite()) {
    std::fill_n(q, width, std::int8_t{0});
    return;
  }
  const V factor_v = hn::Set(d, row.factor);
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes)
    hn::StoreU(hn::DemoteTo(di8, hn::NearestInt(hn::Mul(hn::LoadU(d, w + i), factor_v))), di8, q + i);
  for (; i < width; ++i) q[i] = static_cast<std::int8_t>(std::nearbyint(w[i] * row.factor));
}

std::int32_t sum_row(const std::int8_t* q, std::int64_t width) {
  const hn::CappedTag<std::int32_t, 16> di;
  const hn::Rebind<std::int8_t, decltype(di)> di8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(di));
  auto sums = hn::Zero(di);
  std::int64_t i = 0;
  for (; i + lanes <= width; i += lanes) sums = hn::Add(sums, hn::PromoteTo(di, hn::LoadU(di8, q + i)));
  std::int32_t sum = hn::GetLane(hn::SumOfLanes(di, sums));
  for (; i < width; ++i) sum += q[i];
  return sum;
}

// Columns [first, first + count) of one row; pointers are those of the row.
void dequantize_range(const std::int32_t* sums, std::int64_t first, std::int64_t count, float row_scale,
                      const Dequantization& how, const float* other, float* y) {
  const D d;
  const hn::RebindToSigned<D> di;
  const V scale = hn::Set(d, row_scale);
  const auto zero = hn::Set(di, how.zero);
  const auto one = [&](const std::int32_t* sum, const std::int32_t* weight_sum, const float* weight_scale,
                       const float* bias, const float* summand, const float* factor, float* out) HWY_ATTR {
    const auto exact = hn::Sub(hn::LoadU(di, sum), hn::Mul(zero, hn::LoadU(di, weight_sum)));
    const V factors = hn::Mul(scale, hn::LoadU(d, weight_scale));
    V value = hn::Mul(hn::ConvertTo(d, exact), factors);
    if (bias != nullptr) value = hn::Add(value, hn::LoadU(d, bias));
    value = apply_act(d, how.act, value);
    if (summand != nullptr) value = hn::Add(value, hn::LoadU(d, summand));
    if (factor != nullptr) value = hn::Mul(value, hn::LoadU(d, factor));
    hn::StoreU(value, d, out);
  };
  const float* summand = how.combine == DenseSpec::add ? y : nullptr;
  const float* factor = how.combine == DenseSpec::multiply ? other : nullptr;
  const auto at = [](const auto* p, std::int64_t i) { return p == nullptr ? p : p + i; };
  std::int64_t i = first;
  const std::int64_t end = first + count;
  for (; i + kLanes <= end; i += kLanes) {
    one(sums + i, how.weight_sums + i, how.weight_scales + i, at(how.bias, i), at(summand, i), at(factor, i),
        y + i);
  }
  if (i == end) return;
  // The last, partial vector through buffers, with the same operations.
  HWY_ALIGN std::int32_t sum[16] = {}, weight_sum[16] = {};
  HWY_ALIGN float weight_scale[16] = {}, bias[16] = {}, summands[16] = {}, factors[16] = {}, out[16];
  const auto copy = [&](const auto* from, auto* to) {
    if (from != nullptr) std::copy(from + i, from + end, to);
  };
  copy(sums, sum);
  copy(how.weight_sums, weight_sum);
  copy(how.weight_scales, weight_scale);
  copy(how.bias, bias);
  copy(summand, summands);
  copy(factor, factors);
  one(sum, weight_sum, weight_scale, how.bias == nullptr ? nullptr : bias,
      summand == nullptr ? nullptr : summands, factor == nullptr ? nullptr : factors, out);
  std::copy(out, out + (end - i), y + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {
namespace {

HWY_EXPORT(round_range);
HWY_EXPORT(quantize_row);
HWY_EXPORT(quantize_weight_row);
HWY_EXPORT(sum_row);
HWY_EXPORT(dequantize_range);

// Below this many elements a parallel region costs more than it gives.
constexpr std::int64_t kParallelElements = 32768;
constexpr std::int64_t kColumns = 8192;

}  // namespace

void round_to_bf16(const float* x, std::int64_t count, std::uint16_t* y) {
  const std::int64_t chunk = kParallelElements / 2;
  const std::int64_t chunks = (count + chunk - 1) / chunk;
  parallel_for(chunks, chunks > 1, [&](std::int64_t c) {
    HWY_DYNAMIC_DISPATCH(round_range)
    (x + c * chunk, std::min(chunk, count - c * chunk), y + c * chunk);
  });
}

void quantize_rows(const float* x, std::int64_t rows, std::int64_t width, int levels, std::uint8_t* q,
                   float* row_scales) {
  parallel_for(rows, rows * width >= kParallelElements, [&](std::int64_t r) {
    HWY_DYNAMIC_DISPATCH(quantize_row)(x + r * width, width, levels, q + r * width, row_scales + r);
  });
}

void quantize_weights(const float* w, std::int64_t rows, std::int64_t width, std::int8_t* q, float* scales) {
  for (std::int64_t r = 0; r < rows; ++r)
    HWY_DYNAMIC_DISPATCH(quantize_weight_row)(w + r * width, width, q + r * width, scales + r);
}

void convert_weights(DType dtype, const float* w, std::int64_t rows, std::int64_t width, std::byte* dst,
                     float* scales) {
  switch (dtype) {
    case DType::i8: quantize_weights(w, rows, width, reinterpret_cast<std::int8_t*>(dst), scales); return;
    case DType::bf16: round_to_bf16(w, rows * width, reinterpret_cast<std::uint16_t*>(dst)); return;
    default: std::memcpy(dst, w, static_cast<std::size_t>(rows * width) * sizeof(float));
  }
}

void sum_weights(const std::int8_t* q, std::int64_t rows, std::int64_t width, std::int32_t* sums) {
  for (std::int64_t r = 0; r < rows; ++r) sums[r] = HWY_DYNAMIC_DISPATCH(sum_row)(q + r * width, width);
}

void dequantize_rows(const void* sums, std::int64_t rows, std::int64_t width, const Dequantization& how,
                     float* y) {
  const auto* integers = static_cast<const std::int32_t*>(sums);
  const std::int64_t pieces = (width + kColumns - 1) / kColumns;
  parallel_for(rows * pieces, rows * width >= kParallelElements, [&](std::int64_t task) {
    const std::int64_t r = task / pieces;
    const std::int64_t first = task % pieces * kColumns;
    HWY_DYNAMIC_DISPATCH(dequantize_range)
    (integers + r * width, first, std::min(kColumns, width - first), how.row_scales[r], how,
     how.other == nullptr ? nullptr : how.other + r * width, y + r * width);
  });
}

}  // namespace attend
#endif
