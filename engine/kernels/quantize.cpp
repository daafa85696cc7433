#include "engine/kernels/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/quantize.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/epilogue-inl.h"
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

// Outputs [first, first + count) of one row.
void dequantize_range(const std::int32_t* sums, std::int64_t row, std::int64_t width, std::int64_t first,
                      std::int64_t count, const Epilogue& how, float* y) {
  const D d;
  const hn::RebindToSigned<D> di;
  with_act(how.act, [&]<Act act>() HWY_ATTR {
    for (std::int64_t i = first; i < first + count; i += kLanes) {
      const std::int64_t rest = first + count - i;
      const Scaling<true, D> scaling(d, how, i, rest);
      const V sum = hn::BitCast(d, load_some(di, sums + i, rest));
      combine<act>(d, scaling.apply(d, sum, how.row_scales + row), how, row * width + i, rest, y);
    }
  });
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

void dequantize_rows(const void* sums, std::int64_t rows, std::int64_t width, const Epilogue& how, float* y) {
  const auto* integers = static_cast<const std::int32_t*>(sums);
  const std::int64_t pieces = (width + kColumns - 1) / kColumns;
  parallel_for(rows * pieces, rows * width >= kParallelElements, [&](std::int64_t task) {
    const std::int64_t r = task / pieces;
    const std::int64_t first = task % pieces * kColumns;
    HWY_DYNAMIC_DISPATCH(dequantize_range)
    (integers + r * width, r, width, first, std::min(kColumns, width - first), how, y);
  });
}

}  // namespace attend
#endif
