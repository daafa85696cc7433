// V vocabulary size. Loops run in steps of kLanes elements, so that lane i of every sum holds the elements
// i, i + kLanes, ... on every instruction set; the end of a row is padded with the neutral element.
#include "runtime/generation/log_softmax_topk.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>

// Vectors are kept in arrays here, which types of unknown size do not allow.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/generation/log_softmax_topk.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h
#include "engine/kernels/vector_math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kLanes = 32;
// Partial sums are folded after so many elements, which keeps the rounding error of long rows small.
constexpr std::size_t kFoldElements = 64 * kLanes;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

using D = hn::CappedTag<float, kLanes>;
using Vector = hn::Vec<D>;
constexpr std::size_t kWidth = hn::MaxLanes(D());
constexpr std::size_t kVectors = kLanes / kWidth;

// Calls f(pointer to kLanes elements) from element `first` on, the last time with padding.
template <class F>
HWY_INLINE void for_each_group(const float* HWY_RESTRICT row, std::size_t first, std::size_t last,
                               float neutral, F f) {
  std::size_t i = first;
  for (; i + kLanes <= last; i += kLanes) f(row + i);
  if (i == last) return;
  HWY_ALIGN float tail[kLanes];
  std::fill(std::copy(row + i, row + last, tail), tail + kLanes, neutral);
  f(tail);
}

// f(0), f(1), ... f(kVectors - 1) with constant indices, without which the arrays would not stay in
// registers.
template <class F, std::size_t... v>
HWY_INLINE void unrolled(F f, std::index_sequence<v...>) {
  (f(std::integral_constant<std::size_t, v>()), ...);
}
template <class F>
HWY_INLINE void for_each_vector(F f) {
  unrolled(f, std::make_index_sequence<kVectors>());
}

HWY_INLINE void store(const Vector* HWY_RESTRICT vectors, float* HWY_RESTRICT lanes) {
  for_each_vector([&](auto v) HWY_ATTR { hn::StoreU(vectors[v], D(), lanes + v * kWidth); });
}

// The largest element; NaN when there is one.
HWY_INLINE float row_max(const float* HWY_RESTRICT row, std::size_t size) {
  const D d;
  Vector max[kVectors];
  Vector nan[kVectors];  // NaN in the lanes where one was seen
  for_each_vector([&](auto v) HWY_ATTR {
    max[v] = hn::Set(d, -kInfinity);
    nan[v] = hn::Zero(d);
  });
  for_each_group(row, 0, size, -kInfinity, [&](const float* HWY_RESTRICT group) HWY_ATTR {
    for_each_vector([&](auto v) HWY_ATTR {
      const Vector x = hn::LoadU(d, group + v * kWidth);
      nan[v] = hn::IfThenElse(hn::IsNaN(x), x, nan[v]);
      max[v] = hn::Max(max[v], x);
    });
  });
  HWY_ALIGN float lanes[kLanes];
  store(nan, lanes);
  for (const float lane : lanes) {
    if (std::isnan(lane)) return lane;
  }
  store(max, lanes);
  return *std::max_element(lanes, lanes + kLanes);
}

// Sum of exp(x - max) over the row.
HWY_INLINE double sum_exp(const float* HWY_RESTRICT row, std::size_t size, float max_element) {
  const D d;
  const Vector max = hn::Set(d, max_element);
  Vector total[kVectors];
  for_each_vector([&](auto v) HWY_ATTR { total[v] = hn::Zero(d); });
  for (std::size_t first = 0; first < size; first += kFoldElements) {
    Vector sum[kVectors];
    for_each_vector([&](auto v) HWY_ATTR { sum[v] = hn::Zero(d); });
    const std::size_t last = std::min(size, first + kFoldElements);
    for_each_group(row, first, last, -kInfinity, [&](const float* HWY_RESTRICT group) HWY_ATTR {
      for_each_vector([&](auto v) HWY_ATTR {
        sum[v] = hn::Add(sum[v], exp_nonpositive_f32(d, hn::Sub(hn::LoadU(d, group + v * kWidth), max)));
      });
    });
    for_each_vector([&](auto v) HWY_ATTR { total[v] = hn::Add(total[v], sum[v]); });
  }
  HWY_ALIGN float lanes[kLanes];
  store(total, lanes);
  double result = 0.0;
  for (const float lane : lanes) result += lane;
  return result;
}

LogSumExp log_sum_exp_row(const float* HWY_RESTRICT row, std::size_t size) {
  const float max = row_max(row, size);
  if (!std::isfinite(max)) return {max, std::numeric_limits<float>::quiet_NaN()};
  return {max, static_cast<float>(std::log(sum_exp(row, size, max)))};
}

void log_softmax_row(const float* src, std::size_t size, LogSumExp norm, float* dst) {
  const D d;
  const Vector max = hn::Set(d, norm.max);
  const Vector log_sum = hn::Set(d, norm.log_sum);
  std::size_t i = 0;
  for (; i + kWidth <= size; i += kWidth) {
    hn::StoreU(hn::Sub(hn::Sub(hn::LoadU(d, src + i), max), log_sum), d, dst + i);
  }
  for (; i < size; ++i) dst[i] = norm.log_prob(src[i]);
}

ScoredToken argmax_row(const float* HWY_RESTRICT row, std::size_t size) {
  const float max = row_max(row, size);
  std::size_t i = 0;
  if (std::isnan(max)) {
    while (!std::isnan(row[i])) ++i;
    return {max, static_cast<std::int32_t>(i)};
  }
  const D d;
  const Vector wanted = hn::Set(d, max);
  while (i + kWidth <= size && hn::AllFalse(d, hn::Eq(hn::LoadU(d, row + i), wanted))) i += kWidth;
  while (i + 1 < size && row[i] != max) ++i;
  return {max, static_cast<std::int32_t>(i)};
}

// `best` is a heap whose front is the worst of the best k; ascending tokens let a strict comparison keep the
// lower token of equal scores.
void top_k_row(const float* HWY_RESTRICT row, std::size_t size, float offset, std::size_t k,
               std::vector<ScoredToken>& best) {
  const D d;
  best.clear();
  for (std::size_t i = 0; i < k; ++i) {
    const float score = row[i] + offset;
    best.push_back({std::isnan(score) ? -kInfinity : score, static_cast<std::int32_t>(i)});
  }
  std::make_heap(best.begin(), best.end());
  const Vector add = hn::Set(d, offset);
  std::size_t i = k;
  const auto offer = [&](std::size_t end) {
    for (; i < end; ++i) {
      const float score = row[i] + offset;
      if (!(score > best.front().score)) continue;
      std::pop_heap(best.begin(), best.end());
      best.back() = {score, static_cast<std::int32_t>(i)};
      std::push_heap(best.begin(), best.end());
    }
  };
  while (i + kLanes <= size) {
    const Vector threshold = hn::Set(d, best.front().score);
    Vector max = hn::Set(d, -kInfinity);
    for_each_vector([&](auto v) HWY_ATTR {
      const Vector score = hn::Add(hn::LoadU(d, row + i + v * kWidth), add);
      max = hn::IfThenElse(hn::Gt(score, max), score, max);  // passes over NaN
    });
    if (hn::AllFalse(d, hn::Gt(max, threshold))) {
      i += kLanes;
    } else {
      offer(i + kLanes);
    }
  }
  offer(size);
  std::sort_heap(best.begin(), best.end());
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {

HWY_EXPORT(log_sum_exp_row);
HWY_EXPORT(log_softmax_row);
HWY_EXPORT(argmax_row);
HWY_EXPORT(top_k_row);

LogSumExp log_sum_exp(std::span<const float> logits) {
  return HWY_DYNAMIC_DISPATCH(log_sum_exp_row)(logits.data(), logits.size());
}

void log_softmax(std::span<const float> src, const LogSumExp& norm, std::span<float> dst) {
  HWY_DYNAMIC_DISPATCH(log_softmax_row)(src.data(), src.size(), norm, dst.data());
}

ScoredToken argmax(std::span<const float> scores) {
  return HWY_DYNAMIC_DISPATCH(argmax_row)(scores.data(), scores.size());
}

void top_k(std::span<const float> scores, std::int32_t k, float offset, std::vector<ScoredToken>& best) {
  const std::size_t count = std::min(scores.size(), static_cast<std::size_t>(std::max(k, 0)));
  best.clear();
  if (count == 0) return;
  HWY_DYNAMIC_DISPATCH(top_k_row)(scores.data(), scores.size(), offset, count, best);
}

}  // namespace attend
#endif  // HWY_ONCE
