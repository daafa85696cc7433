#include "engine/kernels/rows.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/rows.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/activation-inl.h"
#include "engine/profiler/worker_spans.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
constexpr int kVectors = static_cast<int>(16 / kLanes);

// Sum of term(vector of x) over the row in 16 fixed lanes, so that the bits are the same on every instruction
// set.
template <typename Term, typename ScalarTerm>
HWY_INLINE float lane_sum(const float* x, std::int64_t width, Term&& term, ScalarTerm&& scalar_term) {
  const D tag;
  V sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(tag);
  std::int64_t i = 0;
  for (; i + 16 <= width; i += 16) {
    for (int v = 0; v < kVectors; ++v) sum[v] = term(sum[v], hn::LoadU(tag, x + i + v * kLanes));
  }
  HWY_ALIGN float lanes[16];
  for (int v = 0; v < kVectors; ++v) hn::Store(sum[v], tag, lanes + v * kLanes);
  for (int k = 0; i < width; ++i, ++k) lanes[k] = scalar_term(lanes[k], x[i]);
  for (int half = 8; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  }
  return lanes[0];
}

void layer_norm_row(const float* x, float* y, std::int64_t width, float eps, const float* weight,
                    const float* bias) {
  const D tag;
  const auto n = static_cast<float>(width);
  const float mean = lane_sum(
                         x, width, [](V sum, V value) HWY_ATTR { return hn::Add(sum, value); },
                         [](float sum, float value) { return sum + value; }) /
                     n;
  const V mean_v = hn::Set(tag, mean);
  const float variance =
      lane_sum(
          x, width,
          [&](V sum, V value) HWY_ATTR {
            const V centred = hn::Sub(value, mean_v);
            return hn::MulAdd(centred, centred, sum);
          },
          [&](float sum, float value) { return std::fma(value - mean, value - mean, sum); }) /
      n;
  const float inv = 1.0F / std::sqrt(variance + eps);
  const V inv_v = hn::Set(tag, inv);
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const V scaled = hn::Mul(hn::Sub(hn::LoadU(tag, x + i), mean_v), inv_v);
    const V weighted = bias != nullptr
                           ? hn::MulAdd(scaled, hn::LoadU(tag, weight + i), hn::LoadU(tag, bias + i))
                           : hn::Mul(scaled, hn::LoadU(tag, weight + i));
    hn::StoreU(weighted, tag, y + i);
  }
  for (; i < width; ++i) {
    const float scaled = (x[i] - mean) * inv;
    y[i] = bias != nullptr ? std::fma(scaled, weight[i], bias[i]) : scaled * weight[i];
  }
}

void rms_norm_row(const float* x, float* y, std::int64_t width, float eps, const float* weight) {
  const D tag;
  const float square = lane_sum(
                           x, width, [](V sum, V value) HWY_ATTR { return hn::MulAdd(value, value, sum); },
                           [](float sum, float value) { return std::fma(value, value, sum); }) /
                       static_cast<float>(width);
  const float inv = 1.0F / std::sqrt(square + eps);
  const V inv_v = hn::Set(tag, inv);
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(tag, x + i), inv_v), hn::LoadU(tag, weight + i)), tag, y + i);
  }
  for (; i < width; ++i) y[i] = x[i] * inv * weight[i];
}

void add_range(const float* a, const float* b, float* y, std::int64_t count) {
  const D tag;
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    hn::StoreU(hn::Add(hn::LoadU(tag, a + i), hn::LoadU(tag, b + i)), tag, y + i);
  for (; i < count; ++i) y[i] = a[i] + b[i];
}

void activate_range(Act act, float* x, std::int64_t count) {
  const D tag;
  transform_floats(tag, x, x, count, [&](V value) HWY_ATTR { return apply_act(tag, act, value); });
}

void scale_and_cap_range(float* x, std::int64_t count, float scale, float cap) {
  const D tag;
  const V scale_v = hn::Set(tag, cap == 0.0F ? scale : scale / cap);
  const V cap_v = hn::Set(tag, cap);
  transform_floats(tag, x, x, count, [&](V value) HWY_ATTR {
    const V scaled = hn::Mul(value, scale_v);
    return cap == 0.0F ? scaled : hn::Mul(cap_v, tanh_f32(tag, scaled));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {
namespace {

HWY_EXPORT(layer_norm_row);
HWY_EXPORT(rms_norm_row);
HWY_EXPORT(add_range);
HWY_EXPORT(activate_range);
HWY_EXPORT(scale_and_cap_range);

// Below this many floats a parallel region costs more than it gives.
constexpr std::int64_t kParallelFloats = 16384;

// body(first, n) over pieces of `count` floats, in parallel when there are several.
template <typename Body>
void in_chunks(std::int64_t count, Body&& body) {
  constexpr std::int64_t kChunk = kParallelFloats / 2;
  const std::int64_t chunks = (count + kChunk - 1) / kChunk;
  parallel_for(chunks, chunks > 1,
               [&](std::int64_t c) { body(c * kChunk, std::min(kChunk, count - c * kChunk)); });
}

}  // namespace

void normalize_rows(Norm::Kind kind, const float* x, float* y, std::int64_t rows, std::int64_t width,
                    std::int64_t stride, float eps, const float* weight, const float* bias) {
  parallel_for(rows, rows * width >= kParallelFloats, [&](std::int64_t r) {
    if (kind == Norm::layer) {
      HWY_DYNAMIC_DISPATCH(layer_norm_row)(x + r * stride, y + r * stride, width, eps, weight, bias);
    } else {
      HWY_DYNAMIC_DISPATCH(rms_norm_row)(x + r * stride, y + r * stride, width, eps, weight);
    }
  });
}

void add_rows(const float* a, const float* b, float* y, std::int64_t count) {
  in_chunks(count, [&](std::int64_t first, std::int64_t n) {
    HWY_DYNAMIC_DISPATCH(add_range)(a + first, b + first, y + first, n);
  });
}

void activate(Act act, float* x, std::int64_t count) {
  in_chunks(count, [&](std::int64_t first, std::int64_t n) {
    HWY_DYNAMIC_DISPATCH(activate_range)(act, x + first, n);
  });
}

void scale_and_cap(float* x, std::int64_t count, float scale, float cap) {
  in_chunks(count, [&](std::int64_t first, std::int64_t n) {
    HWY_DYNAMIC_DISPATCH(scale_and_cap_range)(x + first, n, scale, cap);
  });
}

void rotate_row(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t dims, bool interleaved,
                const float* cos, const float* sin) {
  const std::int64_t half = dims / 2;
  for (std::int64_t h = 0; h < heads; ++h) {
    float* head = x + h * head_dim;
    for (std::int64_t i = 0; i < half; ++i) {
      float& a = interleaved ? head[2 * i] : head[i];
      float& b = interleaved ? head[2 * i + 1] : head[i + half];
      const float rotated = a * cos[i] - b * sin[i];
      b = b * cos[i] + a * sin[i];
      a = rotated;
    }
  }
}

}  // namespace attend
#endif
