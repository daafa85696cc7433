#include "engine/kernels/attention_tile.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/attention_tile.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/bf16_pairs-inl.h"
#include "engine/kernels/vector_math-inl.h"
#include "hwy/highway.h"

ATTEND_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
// Vectors that hold the 16 keys of a block.
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
constexpr int kVectors = 16 / kLanes;

void mask(const AttentionTile& tile) {
  const D tag;
  const AttentionShape& shape = *tile.shape;
  const std::int64_t columns = tile.columns();
  constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
  const V scale = hn::Set(tag, shape.scale);
  const V cap = hn::Set(tag, shape.softcap);
  const V to_cap = hn::Set(tag, shape.softcap != 0.0F ? shape.scale / shape.softcap : 0.0F);
  for (int i = 0; i < tile.queries; ++i) {
    const auto n = static_cast<std::size_t>(i);
    float* row = tile.scores + i * kScoreStride;
    const float* bias = nullptr;
    if (shape.relative != nullptr && shape.relative->bias != nullptr)
      bias = shape.relative->bias + tile.head[n] * shape.relative->columns + tile.distance[n];
    std::fill(row, row + tile.begin[n], kMinusInfinity);
    std::fill(row + tile.end[n], row + columns, kMinusInfinity);
    V max = hn::Set(tag, kMinusInfinity);
    for (std::int64_t c = 0; c < columns; c += kLanes) {
      V x = hn::LoadU(tag, row + c);
      if (shape.softcap != 0.0F) {
        // tanh(-inf) is -1: what is not seen stays as it is.
        const V capped = hn::Mul(cap, tanh_f32(tag, hn::Mul(x, to_cap)));
        x = hn::IfThenElse(hn::Eq(x, hn::Set(tag, kMinusInfinity)), x, capped);
      } else {
        x = hn::Mul(x, scale);
      }
      if (bias != nullptr) x = hn::Add(x, hn::LoadU(tag, bias + c));
      hn::StoreU(x, tag, row + c);
      max = hn::Max(max, x);
    }
    tile.result.max[i] = hn::GetLane(hn::MaxOfLanes(tag, max));
  }
}

// e^(x - top), and NaN for NaN.
HWY_INLINE V exp_below(V x, V top) {
  const D tag;
  const V distance = hn::Sub(x, top);
  return hn::IfThenElse(hn::IsNaN(distance), distance, exp_nonpositive_f32(tag, distance));
}

// `Pairs`: weights are left as bf16.
template <bool Pairs>
void exponentiate_as(const AttentionTile& tile) {
  const D tag;
  const KvSlice& kv = tile.shape->kv;
  const std::int64_t columns = tile.columns();
  for (int i = 0; i < tile.queries; ++i) {
    const auto n = static_cast<std::size_t>(i);
    float* row = tile.scores + i * kScoreStride;
    auto* narrowed = reinterpret_cast<std::uint16_t*>(row);
    tile.result.sum[i] = 0.0F;
    if (tile.begin[n] == tile.end[n]) {
      std::fill(row, row + columns, 0.0F);
      continue;
    }
    const V top = hn::Set(tag, tile.result.max[i]);
    V sum[kVectors];
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(tag);
    for (std::int64_t c = 0; c < columns; c += 16) {
      const float* scales = nullptr;
      if (kv.dtype == DType::i8) {
        const std::byte* block = tile.blocks[tile.first_block + c / kBlockTokens];
        scales = reinterpret_cast<const float*>(block + kv.value_scales_offset(tile.kv_head));
      }
      for (int v = 0; v < kVectors; ++v) {
        const V e = exp_below(hn::LoadU(tag, row + c + v * kLanes), top);
        sum[v] = hn::Add(sum[v], e);
        const V weight = scales == nullptr ? e : hn::Mul(e, hn::LoadU(tag, scales + v * kLanes));
        if constexpr (Pairs)
          store_pairs(tag, weight, narrowed + c + v * kLanes);
        else
          hn::StoreU(weight, tag, row + c + v * kLanes);
      }
    }
    HWY_ALIGN float lanes[16];
    for (int v = 0; v < kVectors; ++v) hn::Store(sum[v], tag, lanes + v * kLanes);
    for (int half = 8; half > 0; half /= 2) {
      for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
    }
    tile.result.sum[i] = lanes[0];
  }
}

void exponentiate(const AttentionTile& tile) {
  tile.shape->products == DType::bf16 ? exponentiate_as<true>(tile) : exponentiate_as<false>(tile);
}

void merge(const RunningSoftmax& tile, int queries, std::int64_t value_stride,
           const RunningSoftmax& running) {
  const D tag;
  for (int i = 0; i < queries; ++i) {
    if (tile.sum[i] == 0.0F) continue;
    const float* from = tile.mixed + i * value_stride;
    float* to = running.mixed + i * value_stride;
    if (running.sum[i] == 0.0F) {
      running.max[i] = tile.max[i];
      running.sum[i] = tile.sum[i];
      std::copy_n(from, value_stride, to);
      continue;
    }
    const float max = std::max(running.max[i], tile.max[i]);
    const V before = exp_below(hn::Set(tag, running.max[i]), hn::Set(tag, max));
    const V now = exp_below(hn::Set(tag, tile.max[i]), hn::Set(tag, max));
    running.max[i] = max;
    running.sum[i] = running.sum[i] * hn::GetLane(before) + tile.sum[i] * hn::GetLane(now);
    for (std::int64_t j = 0; j < value_stride; j += kLanes) {
      const V sum = hn::Mul(hn::LoadU(tag, to + j), before);
      hn::StoreU(hn::MulAdd(hn::LoadU(tag, from + j), now, sum), tag, to + j);
    }
  }
}

void finish(const RunningSoftmax& running, std::int64_t width, float* out) {
  const D tag;
  const V inverse = hn::Set(tag, 1.0F / running.sum[0]);
  std::int64_t j = 0;
  for (; j + kLanes <= width; j += kLanes)
    hn::StoreU(hn::Mul(hn::LoadU(tag, running.mixed + j), inverse), tag, out + j);
  for (; j < width; ++j) out[j] = running.mixed[j] * hn::GetLane(inverse);
}

void weigh(const RunningSoftmax& running, std::int64_t count, float* scores) {
  const D tag;
  const V top = hn::Set(tag, running.max[0]);
  const V inverse = hn::Set(tag, 1.0F / running.sum[0]);
  HWY_ALIGN float part[16];
  for (std::int64_t c = 0; c < count; c += kLanes) {
    const std::int64_t size = std::min<std::int64_t>(kLanes, count - c);
    std::copy_n(scores + c, size, part);
    std::fill(part + size, part + kLanes, running.max[0]);
    hn::Store(hn::Mul(exp_below(hn::Load(tag, part), top), inverse), tag, part);
    std::copy_n(part, size, scores + c);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {

HWY_EXPORT(mask);
HWY_EXPORT(exponentiate);
HWY_EXPORT(merge);
HWY_EXPORT(finish);
HWY_EXPORT(weigh);

void mask_tile(const AttentionTile& tile) {
  HWY_DYNAMIC_DISPATCH(mask)(tile);
}
void exponentiate_tile(const AttentionTile& tile) {
  HWY_DYNAMIC_DISPATCH(exponentiate)(tile);
}
void merge_softmax(const RunningSoftmax& tile, int queries, std::int64_t value_stride,
                   const RunningSoftmax& running) {
  HWY_DYNAMIC_DISPATCH(merge)(tile, queries, value_stride, running);
}
void finish_softmax(const RunningSoftmax& running, std::int64_t width, float* out) {
  HWY_DYNAMIC_DISPATCH(finish)(running, width, out);
}
void finish_weights(const RunningSoftmax& running, std::int64_t count, float* scores) {
  HWY_DYNAMIC_DISPATCH(weigh)(running, count, scores);
}

}  // namespace attend
#endif
