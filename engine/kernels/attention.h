// Scaled dot-product attention over a block-paged cache (engine/kernels/kv_cache.h), for ragged sequences.
//
// Queries meet the keys tile by tile (engine/kernels/attention_tile.h): what is in memory besides the cache
// does not depend on how many keys there are, but for a few sums per tile when one sequence's keys are spread
// over the threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/kernels/kv_cache.h"

namespace attend {

// Terms of the scores that depend on the distance d from a query to a key, as tables whose column
// `center + d` is that of distance d. They cover -(max_keys - 1) .. max_keys + 14, a block beyond the last
// key.
struct RelativeTerms {
  std::int64_t columns = 0;
  std::int64_t center = 0;
  const float* bias = nullptr;     // [heads][columns]: added to the scaled score
  const float* keys = nullptr;     // [heads][head_dim][columns]: score += query . keys[d], unscaled
  const float* queries = nullptr;  // [heads][head_dim][columns]: score += key . queries[d], unscaled
};

struct AttentionShape {
  std::int64_t heads = 0;  // of queries
  KvSlice kv;
  float scale = 1.0F;
  float softcap = 0.0F;
  bool causal = false;
  std::int64_t window = 0;
  const RelativeTerms* relative = nullptr;
  // f32, or bf16: queries and weights are rounded to it, and two products are added to a sum of f32 at once.
  // Of caches in bf16 only, where has_bf16_products().
  DType products = DType::f32;
};

// Whether the processor adds two products of bf16 to a sum of f32 (VDPBF16PS).
bool has_bf16_products();

// Seconds of the three steps, summed over threads.
struct AttentionSeconds {
  double scores = 0;
  double softmax = 0;
  double mix = 0;
};

// Where attention weights go while they are computed: those of the rows [first_row, first_row + rows) of the
// step and the heads [first_head, first_head + heads); that of key k at
//   weights[(head - first_head) * head_stride + (row - first_row) * row_stride + k].
// Keys that a query does not see are left alone.
struct AttentionWeightsSink {
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
  std::int64_t first_head = 0;
  std::int64_t heads = 0;
  float* weights = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t head_stride = 0;
};

// out[row][head * head_dim ...] for all rows of all spans; q rows are `q_stride` floats apart, out rows
// heads * head_dim. `scratch` must hold attention_scratch_floats(); `seconds` may be null.
void attention(const AttentionShape& shape, std::span<const AttentionSpan> spans, const float* q,
               std::int64_t q_stride, float* out, int threads, float* scratch, AttentionSeconds* seconds,
               std::span<const AttentionWeightsSink> sinks = {});

// Pairs of a query row and a key that it sees, of one head.
std::int64_t visible_pairs(const AttentionShape& shape, std::span<const AttentionSpan> spans);

// Scratch for attention() over these spans on so many threads.
std::int64_t attention_scratch_floats(const AttentionShape& shape, std::span<const AttentionSpan> spans,
                                      int threads);

}  // namespace attend
