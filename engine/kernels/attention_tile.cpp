#include "engine/kernels/attention_tile.h"

#include <algorithm>
#include <limits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/attention_tile.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
//
#include "engine/kernels/vector_math-inl.h"

// Legend: B blocks of 16 keys, C columns of 16 elements of a head, d head width, Q queries, T type of the
// cache's elements.

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
// Vectors that hold the 16 keys of a block; sums that fit into the registers beside their operands.
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
constexpr int kVectors = 16 / kLanes;
constexpr int kSums = kVectors == 1 ? 24 : 12;
constexpr int kMostQueries = std::clamp(kSums / kVectors, 1, kTileQueries);

// How many blocks before they are needed keys and values are fetched into the L2 cache. (Into the L1 cache
// fewer misses may be under way at once: it takes a third longer.)
constexpr std::int64_t kAhead = 4;
// Blocks of values that all columns of some queries are summed over before those that follow, so that memory
// is read at an even pace.
constexpr std::int64_t kMixBlocks = 4;

HWY_INLINE void fetch(const std::byte* memory) {
  __builtin_prefetch(memory, 0, 2);
}

HWY_INLINE V load(const float* x) {
  return hn::Load(D(), x);
}
HWY_INLINE V load(const std::uint16_t* x) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> du16;
  return hn::BitCast(D(), hn::ShiftLeft<16>(hn::PromoteTo(du, hn::Load(du16, x))));
}
HWY_INLINE V load(const std::int8_t* x) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::int8_t, D> di8;
  return hn::ConvertTo(D(), hn::PromoteTo(di, hn::Load(di8, x)));
}

// How many blocks (or columns) run side by side, so that sums do not wait for one another.
constexpr int side_by_side(int queries) {
  const int n = kSums / (queries * kVectors);
  return n >= 4 ? 4 : n >= 2 ? 2 : 1;
}

// Calls body.operator()<Q>(first) for groups of queries; the last one may count some that are not there.
template <typename Body>
HWY_INLINE void for_queries(int queries, Body&& body) {
  // The least of Sizes that has room for those that are left.
  const auto group = [&]<int... Sizes>(int first, std::integer_sequence<int, Sizes...>) HWY_ATTR {
    const int left = std::min(queries - first, kMostQueries);
    bool done = false;
    const auto attempt = [&]<int Q>() HWY_ATTR {
      if constexpr (Q <= kMostQueries) {
        if (!done && left <= Q) {
          body.template operator()<Q>(first);
          done = true;
        }
      }
    };
    (attempt.template operator()<Sizes>(), ...);
  };
  for (int first = 0; first < queries; first += kMostQueries)
    group(first, std::integer_sequence<int, 1, 2, 3, 4, 6, 7, 8, 12>());
}

// Calls body.operator()<N>(first) for `count` things, N at once and the rest one by one.
template <int N, typename Body>
HWY_INLINE void in_groups(std::int64_t first, std::int64_t end, Body&& body) {
  for (; first + N <= end; first += N) body.template operator()<N>(first);
  if constexpr (N > 1) {
    for (; first < end; ++first) body.template operator()<1>(first);
  }
}

// The keys of `block`; after the last ones of the tile come its values.
HWY_INLINE const std::byte* keys_ahead(const AttentionTile& tile, std::int64_t block) {
  const KvSlice& kv = tile.shape->kv;
  if (block < tile.end_block) return tile.blocks[block] + kv.key_offset(tile.kv_head);
  block = std::min(tile.first_block + (block - tile.end_block), tile.end_block - 1);
  return tile.blocks[block] + kv.value_offset(tile.kv_head);
}

// The values of `block`; after the last ones of the tile come the next tile's keys.
HWY_INLINE const std::byte* values_ahead(const AttentionTile& tile, std::int64_t block) {
  const KvSlice& kv = tile.shape->kv;
  if (block < tile.end_block) return tile.blocks[block] + kv.value_offset(tile.kv_head);
  return tile.blocks[std::min(block, tile.table_end - 1)] + kv.key_offset(tile.kv_head);
}

template <class T, int Q, int B>
HWY_INLINE void score_blocks(const AttentionTile& tile, int first, std::int64_t block) {
  const D tag;
  constexpr std::int64_t kRow = 16 * sizeof(T);
  const KvSlice& kv = tile.shape->kv;
  const T* keys[B];
  for (int b = 0; b < B; ++b)
    keys[b] = reinterpret_cast<const T*>(tile.blocks[block + b] + kv.key_offset(tile.kv_head));
  const std::byte* ahead[B];
  for (int b = 0; b < B; ++b) ahead[b] = keys_ahead(tile, block + kAhead + b);
  const float* HWY_RESTRICT q = tile.q + first;
  V sum[Q][B][kVectors];
  for (int i = 0; i < Q; ++i) {
    for (int b = 0; b < B; ++b) {
      for (int v = 0; v < kVectors; ++v) sum[i][b][v] = hn::Zero(tag);
    }
  }
  for (std::int64_t j = 0; j < kv.head_dim; ++j) {
    V key[B][kVectors];
    for (int b = 0; b < B; ++b) {
      for (int v = 0; v < kVectors; ++v) key[b][v] = load(keys[b] + j * 16 + v * kLanes);
    }
    for (int b = 0; b < B; ++b) {
      if (kRow >= 64 || j % (64 / kRow) == 0) fetch(ahead[b] + j * kRow);
    }
    for (int i = 0; i < Q; ++i) {
      const V query = hn::Set(tag, q[j * kTileQueries + i]);
      for (int b = 0; b < B; ++b) {
        for (int v = 0; v < kVectors; ++v) sum[i][b][v] = hn::MulAdd(query, key[b][v], sum[i][b][v]);
      }
    }
  }
  for (int b = 0; b < B; ++b) {
    float* scores = tile.scores + first * kScoreStride + (block + b - tile.first_block) * kBlockTokens;
    for (int v = 0; v < kVectors; ++v) {
      V scale = hn::Set(tag, 1.0F);
      if constexpr (sizeof(T) == 1) {
        scale = hn::LoadU(
            tag, reinterpret_cast<const float*>(tile.blocks[block + b] + kv.key_scales_offset(tile.kv_head)) +
                     v * kLanes);
      }
      for (int i = 0; i < Q; ++i) {
        const V scaled = sizeof(T) == 1 ? hn::Mul(sum[i][b][v], scale) : sum[i][b][v];
        hn::StoreU(scaled, tag, scores + i * kScoreStride + v * kLanes);
      }
    }
  }
}

// Goes on with the sums of some columns, over the values of [block, end_block).
template <class T, int Q, int C>
HWY_INLINE void mix_columns(const AttentionTile& tile, int first, std::int64_t column, std::int64_t block,
                            std::int64_t end_block) {
  const D tag;
  constexpr std::int64_t kBytes = sizeof(T);
  const KvSlice& kv = tile.shape->kv;
  const std::int64_t stride = kv.value_stride();
  const std::int64_t offset = kv.value_offset(tile.kv_head) + column * 16 * kBytes;
  float* out = tile.result.mixed + first * stride + column * 16;
  V sum[Q][C][kVectors];
  for (int i = 0; i < Q; ++i) {
    for (int c = 0; c < C; ++c) {
      for (int v = 0; v < kVectors; ++v)
        sum[i][c][v] = block == tile.first_block ? hn::Zero(tag)
                                                 : hn::LoadU(tag, out + i * stride + c * 16 + v * kLanes);
    }
  }
  const float* HWY_RESTRICT weights =
      tile.scores + first * kScoreStride + (block - tile.first_block) * kBlockTokens;
  for (; block < end_block; ++block) {
    const T* values = reinterpret_cast<const T*>(tile.blocks[block] + offset);
    const std::byte* ahead = values_ahead(tile, block + kAhead) + column * 16 * kBytes;
    const std::int64_t tokens = std::min<std::int64_t>(kBlockTokens, tile.max_end - block * kBlockTokens);
    for (std::int64_t t = 0; t < tokens; ++t, values += stride, ++weights) {
      V value[C][kVectors];
      for (int c = 0; c < C; ++c) {
        for (int v = 0; v < kVectors; ++v) value[c][v] = load(values + c * 16 + v * kLanes);
      }
      for (std::int64_t at = 0; at < C * 16 * kBytes; at += 64) fetch(ahead + t * stride * kBytes + at);
      for (int i = 0; i < Q; ++i) {
        const V weight = hn::Set(tag, weights[i * kScoreStride]);
        for (int c = 0; c < C; ++c) {
          for (int v = 0; v < kVectors; ++v) sum[i][c][v] = hn::MulAdd(weight, value[c][v], sum[i][c][v]);
        }
      }
    }
  }
  for (int i = 0; i < Q; ++i) {
    for (int c = 0; c < C; ++c) {
      for (int v = 0; v < kVectors; ++v)
        hn::StoreU(sum[i][c][v], tag, out + i * stride + c * 16 + v * kLanes);
    }
  }
}

// Adds the products with the embeddings of the distances; each score by itself, over the head's elements in
// order.
template <class T>
void add_relative_scores(const AttentionTile& tile) {
  const D tag;
  const KvSlice& kv = tile.shape->kv;
  const RelativeTerms& terms = *tile.shape->relative;
  for (int i = 0; i < tile.queries; ++i) {
    const auto n = static_cast<std::size_t>(i);
    const std::int64_t table = tile.head[n] * kv.head_dim * terms.columns;
    float* scores = tile.scores + i * kScoreStride;
    for (std::int64_t block = tile.first_block; block < tile.end_block; ++block) {
      const std::byte* memory = tile.blocks[block];
      const T* keys = reinterpret_cast<const T*>(memory + kv.key_offset(tile.kv_head));
      const std::int64_t at = (block - tile.first_block) * kBlockTokens;
      const std::int64_t column = table + tile.distance[n] + at;
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t lane = v * kLanes;
        V scale = hn::Set(tag, 1.0F);
        if constexpr (sizeof(T) == 1) {
          const auto* scales = reinterpret_cast<const float*>(memory + kv.key_scales_offset(tile.kv_head));
          scale = hn::LoadU(tag, scales + lane);
        }
        V sum = hn::LoadU(tag, scores + at + lane);
        for (std::int64_t j = 0; j < kv.head_dim; ++j) {
          const std::int64_t place = column + j * terms.columns + lane;
          if (terms.keys != nullptr)
            sum = hn::MulAdd(hn::Set(tag, tile.q[j * kTileQueries + i]), hn::LoadU(tag, terms.keys + place),
                             sum);
          if (terms.queries != nullptr) {
            const V key = hn::Mul(load(keys + j * 16 + lane), scale);
            sum = hn::MulAdd(key, hn::LoadU(tag, terms.queries + place), sum);
          }
        }
        hn::StoreU(sum, tag, scores + at + lane);
      }
    }
  }
}

template <class T>
void score_all(const AttentionTile& tile) {
  for_queries(tile.queries, [&]<int Q>(int first) HWY_ATTR {
    in_groups<side_by_side(Q)>(tile.first_block, tile.end_block, [&]<int B>(std::int64_t block) HWY_ATTR {
      score_blocks<T, Q, B>(tile, first, block);
    });
  });
  const RelativeTerms* terms = tile.shape->relative;
  if (terms != nullptr && (terms->keys != nullptr || terms->queries != nullptr)) add_relative_scores<T>(tile);
}

template <class T>
void mix_all(const AttentionTile& tile) {
  const std::int64_t columns = tile.shape->kv.value_stride() / 16;
  for_queries(tile.queries, [&]<int Q>(int first) HWY_ATTR {
    for (std::int64_t block = tile.first_block; block < tile.end_block; block += kMixBlocks) {
      const std::int64_t end = std::min(block + kMixBlocks, tile.end_block);
      in_groups<side_by_side(Q)>(0, columns, [&]<int C>(std::int64_t column) HWY_ATTR {
        mix_columns<T, Q, C>(tile, first, column, block, end);
      });
    }
  });
}

void score(const AttentionTile& tile) {
  switch (tile.shape->kv.dtype) {
    case DType::bf16: return score_all<std::uint16_t>(tile);
    case DType::i8: return score_all<std::int8_t>(tile);
    default: return score_all<float>(tile);
  }
}

void mix(const AttentionTile& tile) {
  switch (tile.shape->kv.dtype) {
    case DType::bf16: return mix_all<std::uint16_t>(tile);
    case DType::i8: return mix_all<std::int8_t>(tile);
    default: return mix_all<float>(tile);
  }
}

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

void exponentiate(const AttentionTile& tile) {
  const D tag;
  const KvSlice& kv = tile.shape->kv;
  const std::int64_t columns = tile.columns();
  for (int i = 0; i < tile.queries; ++i) {
    const auto n = static_cast<std::size_t>(i);
    float* row = tile.scores + i * kScoreStride;
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

HWY_EXPORT(score);
HWY_EXPORT(mask);
HWY_EXPORT(exponentiate);
HWY_EXPORT(mix);
HWY_EXPORT(merge);
HWY_EXPORT(finish);
HWY_EXPORT(weigh);

void score_tile(const AttentionTile& tile) {
  HWY_DYNAMIC_DISPATCH(score)(tile);
}
void mask_tile(const AttentionTile& tile) {
  HWY_DYNAMIC_DISPATCH(mask)(tile);
}
void exponentiate_tile(const AttentionTile& tile) {
  HWY_DYNAMIC_DISPATCH(exponentiate)(tile);
}
void mix_tile(const AttentionTile& tile) {
  HWY_DYNAMIC_DISPATCH(mix)(tile);
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
