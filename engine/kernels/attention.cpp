#include "engine/kernels/attention.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/profiler/profiler.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/attention.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
//
#include "engine/kernels/vector_math-inl.h"

// Legend: B 16 keys of a block, d head width, Q queries of a tile (rows times heads that share a key head).

#ifndef ATTEND_ATTENTION_ONCE
#define ATTEND_ATTENTION_ONCE
namespace attend {

// Queries that one task carries through scores, softmax and mix.
constexpr int kTileQueries = 12;

// One tile: pointers to its queries and outputs, and the keys that each query sees.
struct AttentionTile {
  const AttentionShape* shape = nullptr;
  BlockTable blocks = nullptr;
  std::int64_t kv_head = 0;
  int queries = 0;
  std::int64_t first_block = 0;  // blocks that any query of the tile sees
  std::int64_t end_block = 0;
  std::int64_t max_end = 0;  // keys at and after it are not read
  std::array<const float*, kTileQueries> q{};
  std::array<float*, kTileQueries> out{};
  std::array<std::int64_t, kTileQueries> begin{};  // keys [begin, end)
  std::array<std::int64_t, kTileQueries> end{};
  float* scores = nullptr;  // [Q][stride], first_block's first key at column 0
  std::int64_t stride = 0;
  std::array<float, kTileQueries> inv_sum{};
  std::array<std::int64_t, kTileQueries> head{};      // of the query
  std::array<std::int64_t, kTileQueries> distance{};  // column of relative terms for first_block's first key

  std::int64_t columns() const { return (end_block - first_block) * kBlockTokens; }
};

}  // namespace attend
#endif

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
// Vectors that hold the 16 keys of a block, and queries whose sums fit into the registers beside them.
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
constexpr int kVectors = 16 / kLanes;
constexpr int kGroup = kVectors <= 2 ? 6 : 3;

template <int Q>
HWY_INLINE void score_block(const float* const* q, const float* HWY_RESTRICT keys, std::int64_t d,
                            float* HWY_RESTRICT scores, std::int64_t stride) {
  const D tag;
  V sum[Q][kVectors];
  for (int i = 0; i < Q; ++i) {
    for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::Zero(tag);
  }
  for (std::int64_t j = 0; j < d; ++j) {
    V key[kVectors];
    for (int v = 0; v < kVectors; ++v) key[v] = hn::Load(tag, keys + j * 16 + v * kLanes);
    for (int i = 0; i < Q; ++i) {
      const V query = hn::Set(tag, q[i][j]);
      for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::MulAdd(query, key[v], sum[i][v]);
    }
  }
  for (int i = 0; i < Q; ++i) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[i][v], tag, scores + i * stride + v * kLanes);
  }
}

template <int Q>
HWY_INLINE void mix_columns(const AttentionTile& tile, int first, std::int64_t column) {
  const D tag;
  const KvSlice& kv = tile.shape->kv;
  V sum[Q][kVectors];
  for (int i = 0; i < Q; ++i) {
    for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::Zero(tag);
  }
  const float* weights[Q];
  for (int i = 0; i < Q; ++i) weights[i] = tile.scores + (first + i) * tile.stride;
  for (std::int64_t block = tile.first_block; block < tile.end_block; ++block) {
    const auto* values =
        reinterpret_cast<const float*>(tile.blocks[block]) + kv.value_offset(tile.kv_head) + column;
    const std::int64_t tokens = std::min<std::int64_t>(kBlockTokens, tile.max_end - block * kBlockTokens);
    const std::int64_t at = (block - tile.first_block) * kBlockTokens;
    for (std::int64_t t = 0; t < tokens; ++t) {
      V value[kVectors];
      for (int v = 0; v < kVectors; ++v)
        value[v] = hn::Load(tag, values + t * kv.value_stride() + v * kLanes);
      for (int i = 0; i < Q; ++i) {
        const V weight = hn::Set(tag, weights[i][at + t]);
        for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::MulAdd(weight, value[v], sum[i][v]);
      }
    }
  }
  const std::int64_t width = std::min<std::int64_t>(16, kv.head_dim - column);
  for (int i = 0; i < Q; ++i) {
    const V inv = hn::Set(tag, tile.inv_sum[static_cast<std::size_t>(first + i)]);
    float* out = tile.out[static_cast<std::size_t>(first + i)] + column;
    if (width == 16) {
      for (int v = 0; v < kVectors; ++v) hn::StoreU(hn::Mul(sum[i][v], inv), tag, out + v * kLanes);
    } else {
      HWY_ALIGN float row[16];
      for (int v = 0; v < kVectors; ++v) hn::Store(hn::Mul(sum[i][v], inv), tag, row + v * kLanes);
      std::copy_n(row, width, out);
    }
  }
}

// Calls body.template operator()<Q>(first) for groups of at most kGroup queries.
template <typename Body>
HWY_INLINE void for_groups(int queries, Body&& body) {
  int first = 0;
  for (; first + kGroup <= queries; first += kGroup) body.template operator()<kGroup>(first);
  switch (queries - first) {
    case 1: body.template operator()<1>(first); break;
    case 2: body.template operator()<2>(first); break;
    case 3:
      if constexpr (kGroup > 3) body.template operator()<3>(first);
      break;
    case 4:
      if constexpr (kGroup > 4) body.template operator()<4>(first);
      break;
    case 5:
      if constexpr (kGroup > 5) body.template operator()<5>(first);
      break;
    default: break;
  }
}

void scores_tile(const AttentionTile& tile) {
  const KvSlice& kv = tile.shape->kv;
  for (std::int64_t block = tile.first_block; block < tile.end_block; ++block) {
    const auto* keys = reinterpret_cast<const float*>(tile.blocks[block]) + kv.key_offset(tile.kv_head);
    float* scores = tile.scores + (block - tile.first_block) * kBlockTokens;
    for_groups(tile.queries, [&]<int Q>(int first) HWY_ATTR {
      score_block<Q>(tile.q.data() + first, keys, kv.head_dim, scores + first * tile.stride, tile.stride);
    });
  }
}

// Adds the products with the embeddings of the distances; each score by itself, over the head's elements in
// order.
void relative_scores_tile(const AttentionTile& tile) {
  const D tag;
  const KvSlice& kv = tile.shape->kv;
  const RelativeTerms& terms = *tile.shape->relative;
  for (int i = 0; i < tile.queries; ++i) {
    const auto n = static_cast<std::size_t>(i);
    const std::int64_t table = tile.head[n] * kv.head_dim * terms.columns;
    float* scores = tile.scores + i * tile.stride;
    for (std::int64_t block = tile.first_block; block < tile.end_block; ++block) {
      const auto* keys = reinterpret_cast<const float*>(tile.blocks[block]) + kv.key_offset(tile.kv_head);
      const std::int64_t at = (block - tile.first_block) * kBlockTokens;
      const std::int64_t column = table + tile.distance[n] + at;
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t lane = v * kLanes;
        V sum = hn::LoadU(tag, scores + at + lane);
        for (std::int64_t j = 0; j < kv.head_dim; ++j) {
          const std::int64_t place = column + j * terms.columns + lane;
          if (terms.keys != nullptr)
            sum = hn::MulAdd(hn::Set(tag, tile.q[n][j]), hn::LoadU(tag, terms.keys + place), sum);
          if (terms.queries != nullptr)
            sum = hn::MulAdd(hn::Load(tag, keys + j * 16 + lane), hn::LoadU(tag, terms.queries + place), sum);
        }
        hn::StoreU(sum, tag, scores + at + lane);
      }
    }
  }
}

// Scales and caps the scores, masks what a query does not see, and leaves exponentials with their sum beside.
void softmax_tile(AttentionTile& tile) {
  const D tag;
  const AttentionShape& shape = *tile.shape;
  const std::int64_t columns = tile.columns();
  for (int i = 0; i < tile.queries; ++i) {
    float* row = tile.scores + i * tile.stride;
    const std::int64_t base = tile.first_block * kBlockTokens;
    const std::int64_t begin = tile.begin[static_cast<std::size_t>(i)] - base;
    const std::int64_t end = tile.end[static_cast<std::size_t>(i)] - base;
    if (shape.softcap != 0.0F) {
      for (std::int64_t c = begin; c < end; ++c)
        row[c] = shape.softcap * std::tanh(row[c] * shape.scale / shape.softcap);
    }
    const V scale = hn::Set(tag, shape.softcap != 0.0F ? 1.0F : shape.scale);
    constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
    std::fill(row, row + begin, kMinusInfinity);
    std::fill(row + end, row + columns, kMinusInfinity);
    V max = hn::Set(tag, kMinusInfinity);
    const float* bias = nullptr;
    if (shape.relative != nullptr && shape.relative->bias != nullptr) {
      const auto n = static_cast<std::size_t>(i);
      bias = shape.relative->bias + tile.head[n] * shape.relative->columns + tile.distance[n];
    }
    for (std::int64_t c = 0; c < columns; c += kLanes) {
      V x = hn::Mul(hn::LoadU(tag, row + c), scale);
      if (bias != nullptr) x = hn::Add(x, hn::LoadU(tag, bias + c));
      hn::StoreU(x, tag, row + c);
      max = hn::Max(max, x);
    }
    const V top = hn::MaxOfLanes(tag, max);
    V sum[kVectors];
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(tag);
    for (std::int64_t c = 0; c < columns; c += 16) {
      for (int v = 0; v < kVectors; ++v) {
        const V e = exp_f32(tag, hn::Sub(hn::LoadU(tag, row + c + v * kLanes), top));
        hn::StoreU(e, tag, row + c + v * kLanes);
        sum[v] = hn::Add(sum[v], e);
      }
    }
    HWY_ALIGN float lanes[16];
    for (int v = 0; v < kVectors; ++v) hn::Store(sum[v], tag, lanes + v * kLanes);
    for (int half = 8; half > 0; half /= 2) {
      for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
    }
    tile.inv_sum[static_cast<std::size_t>(i)] = 1.0F / lanes[0];
  }
}

void mix_tile(const AttentionTile& tile) {
  for (std::int64_t column = 0; column < tile.shape->kv.head_dim; column += 16) {
    for_groups(tile.queries, [&]<int Q>(int first) HWY_ATTR { mix_columns<Q>(tile, first, column); });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {
namespace {

HWY_EXPORT(scores_tile);
HWY_EXPORT(relative_scores_tile);
HWY_EXPORT(softmax_tile);
HWY_EXPORT(mix_tile);

struct Task {
  std::int32_t span;
  std::int32_t kv_head;
  std::int32_t first_query;
};

// The keys [begin, end) that the query at `position` sees.
std::pair<std::int64_t, std::int64_t> visible(const AttentionShape& shape, std::int64_t position,
                                              std::int64_t keys) {
  std::int64_t begin = 0;
  std::int64_t end = keys;
  if (shape.causal) end = std::min(end, position + 1);
  if (shape.window > 0) {
    begin = std::max<std::int64_t>(0, position + 1 - shape.window);
    if (!shape.causal) {
      // Both ways: |query - key| <= window / 2 (local attention of encoders).
      begin = std::max<std::int64_t>(0, position - shape.window / 2);
      end = std::min(end, position + shape.window / 2 + 1);
    }
  }
  return {begin, end};
}

AttentionTile make_tile(const AttentionShape& shape, const AttentionSpan& span, const Task& task,
                        const float* q, std::int64_t q_stride, float* out, float* scores) {
  const std::int64_t group = shape.heads / shape.kv.heads;
  AttentionTile tile;
  tile.shape = &shape;
  tile.blocks = span.blocks;
  tile.kv_head = task.kv_head;
  tile.queries = static_cast<int>(std::min<std::int64_t>(kTileQueries, span.rows * group - task.first_query));
  std::int64_t low = span.keys;
  for (int i = 0; i < tile.queries; ++i) {
    const std::int64_t row = (task.first_query + i) / group;
    const std::int64_t head = task.kv_head * group + (task.first_query + i) % group;
    const auto n = static_cast<std::size_t>(i);
    tile.q[n] = q + (span.first_row + row) * q_stride + head * shape.kv.head_dim;
    tile.out[n] = out + (span.first_row + row) * shape.heads * shape.kv.head_dim + head * shape.kv.head_dim;
    std::tie(tile.begin[n], tile.end[n]) = visible(shape, span.past + row, span.keys);
    tile.head[n] = head;
    tile.distance[n] = -(span.past + row);
    low = std::min(low, tile.begin[n]);
    tile.max_end = std::max(tile.max_end, tile.end[n]);
  }
  tile.first_block = low / kBlockTokens;
  tile.end_block = (tile.max_end + kBlockTokens - 1) / kBlockTokens;
  if (shape.relative != nullptr) {
    for (std::int64_t& distance : tile.distance)
      distance += shape.relative->center + tile.first_block * kBlockTokens;
  }
  tile.scores = scores;
  tile.stride = tile.columns();
  return tile;
}

void copy_weights(const AttentionShape& shape, const AttentionSpan& span, const Task& task,
                  const AttentionTile& tile, const AttentionWeightsSink& sink) {
  const std::int64_t group = shape.heads / shape.kv.heads;
  for (int i = 0; i < tile.queries; ++i) {
    const std::int64_t row = span.first_row + (task.first_query + i) / group;
    const std::int64_t head = task.kv_head * group + (task.first_query + i) % group;
    const std::int64_t at_row = row - sink.first_row;
    const std::int64_t at_head = head - sink.first_head;
    if (at_row < 0 || at_row >= sink.rows || at_head < 0 || at_head >= sink.heads) continue;
    float* dst = sink.weights + at_head * sink.head_stride + at_row * sink.row_stride;
    const auto n = static_cast<std::size_t>(i);
    const std::int64_t base = tile.first_block * kBlockTokens;
    for (std::int64_t k = tile.begin[n]; k < tile.end[n]; ++k) {
      dst[k] = tile.scores[i * tile.stride + k - base] * tile.inv_sum[n];
    }
  }
}

std::int64_t thread_scratch_floats(std::int64_t max_keys) {
  return kTileQueries * ((max_keys + 2 * kBlockTokens - 1) / kBlockTokens * kBlockTokens);
}

}  // namespace

std::int64_t visible_pairs(const AttentionShape& shape, std::span<const AttentionSpan> spans) {
  std::int64_t pairs = 0;
  for (const AttentionSpan& span : spans) {
    for (std::int32_t row = 0; row < span.rows; ++row) {
      const auto [begin, end] = visible(shape, span.past + row, span.keys);
      pairs += std::max<std::int64_t>(end - begin, 0);
    }
  }
  return pairs;
}

std::int64_t attention_scratch_floats(std::int64_t max_keys, int threads) {
  return thread_scratch_floats(max_keys) * threads;
}

void write_kv(const KvSlice& kv, const AttentionSpan& span, const float* keys, const float* values,
              std::int64_t stride) {
  for (std::int64_t r = 0; r < span.rows; ++r) {
    const std::int64_t position = span.past + r;
    const std::int64_t slot = position % kBlockTokens;
    auto* block = reinterpret_cast<float*>(span.blocks[position / kBlockTokens]);
    const std::int64_t row = (span.first_row + r) * stride;
    for (std::int64_t head = 0; head < kv.heads; ++head) {
      const float* key = keys + row + head * kv.head_dim;
      float* key_block = block + kv.key_offset(head) + slot;
      for (std::int64_t j = 0; j < kv.head_dim; ++j) key_block[j * kBlockTokens] = key[j];
      float* value = block + kv.value_offset(head) + slot * kv.value_stride();
      std::copy_n(values + row + head * kv.head_dim, kv.head_dim, value);
      std::fill(value + kv.head_dim, value + kv.value_stride(), 0.0F);
    }
  }
}

void attention(const AttentionShape& shape, std::span<const AttentionSpan> spans, const float* q,
               std::int64_t q_stride, float* out, float* scratch, AttentionSeconds* seconds,
               std::span<const AttentionWeightsSink> sinks) {
  const std::int64_t group = shape.heads / shape.kv.heads;
  std::int64_t max_keys = 0;
  std::int64_t tasks = 0;
  for (const AttentionSpan& span : spans) {
    max_keys = std::max<std::int64_t>(max_keys, span.keys);
    tasks += (span.rows * group + kTileQueries - 1) / kTileQueries * shape.kv.heads;
  }
  // Task number -> (span, key head, tile): tasks are numbered span by span.
  thread_local std::vector<Task> list;
  list.clear();
  list.reserve(static_cast<std::size_t>(tasks));
  for (std::size_t s = 0; s < spans.size(); ++s) {
    for (std::int32_t head = 0; head < shape.kv.heads; ++head) {
      for (std::int32_t first = 0; first < spans[s].rows * group; first += kTileQueries) {
        list.push_back({static_cast<std::int32_t>(s), head, first});
      }
    }
  }
  const Task* task_list = list.data();
  double scores_s = 0;
  double softmax_s = 0;
  double mix_s = 0;
  const std::int64_t per_thread = thread_scratch_floats(max_keys);
#pragma omp parallel for schedule(dynamic, 4) reduction(+ : scores_s, softmax_s, mix_s) if (tasks > 4)
  for (std::int64_t t = 0; t < tasks; ++t) {
    const Task& task = task_list[t];
    const AttentionSpan& span = spans[static_cast<std::size_t>(task.span)];
    AttentionTile tile =
        make_tile(shape, span, task, q, q_stride, out, scratch + omp_get_thread_num() * per_thread);
    const auto clock = [&] { return seconds == nullptr ? 0.0 : Profiler::now(); };
    const double t0 = clock();
    HWY_DYNAMIC_DISPATCH(scores_tile)(tile);
    if (shape.relative != nullptr && (shape.relative->keys != nullptr || shape.relative->queries != nullptr))
      HWY_DYNAMIC_DISPATCH(relative_scores_tile)(tile);
    const double t1 = clock();
    HWY_DYNAMIC_DISPATCH(softmax_tile)(tile);
    const double t2 = clock();
    HWY_DYNAMIC_DISPATCH(mix_tile)(tile);
    const double t3 = clock();
    scores_s += t1 - t0;
    softmax_s += t2 - t1;
    mix_s += t3 - t2;
    for (const AttentionWeightsSink& sink : sinks) copy_weights(shape, span, task, tile, sink);
  }
  if (seconds != nullptr) *seconds = {scores_s, softmax_s, mix_s};
}

}  // namespace attend
#endif
