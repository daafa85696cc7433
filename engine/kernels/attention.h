// Scaled dot-product attention over a block-paged cache, for ragged sequences.
//
// A block holds kBlockTokens = 16 tokens of one key-value head as
//   keys   [head_dim][16]           transposed: the scores of a query need no horizontal sums
//   values [16][value_stride]       value_stride = head_dim rounded up to a multiple of 16, zero-padded
// and a state's heads follow one another: keys of all heads, then values of all heads.
//
// Every score is one chain of fused multiply-adds over head_dim, every sum runs over the keys in order, in 16
// fixed lanes: a query's result depends on its own keys only, not on what else is in the batch, how a prompt
// was cut into chunks, or how many threads run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/plan/step_input.h"

namespace attend {

// Where a state lies within a block, in floats.
struct KvSlice {
  std::int64_t offset = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;

  std::int64_t value_stride() const { return (head_dim + 15) / 16 * 16; }
  std::int64_t key_floats() const { return head_dim * kBlockTokens; }
  std::int64_t value_floats() const { return value_stride() * kBlockTokens; }
  std::int64_t key_offset(std::int64_t head) const { return offset + head * key_floats(); }
  std::int64_t value_offset(std::int64_t head) const {
    return offset + heads * key_floats() + head * value_floats();
  }
  // Floats of one block.
  std::int64_t size() const { return heads * (key_floats() + value_floats()); }
};

// Consecutive query rows over one block table.
struct AttentionSpan {
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
  std::int32_t past = 0;  // position of the first row, when causal or windowed
  std::int32_t keys = 0;  // keys in the table, those of these rows included
  BlockTable blocks = nullptr;
};

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
};

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

// Writes keys and values of rows [first_row, first_row + rows) to tokens [past, past + rows) of `blocks`.
// `keys` and `values` point to row 0, their rows `stride` floats apart.
void write_kv(const KvSlice& kv, const AttentionSpan& span, const float* keys, const float* values,
              std::int64_t stride);

// out[row][head * head_dim ...] for all rows of all spans; q rows are `q_stride` floats apart, out rows
// heads * head_dim. `scratch` must hold attention_scratch_floats(); `seconds` may be null.
void attention(const AttentionShape& shape, std::span<const AttentionSpan> spans, const float* q,
               std::int64_t q_stride, float* out, float* scratch, AttentionSeconds* seconds,
               std::span<const AttentionWeightsSink> sinks = {});

// Pairs of a query row and a key that it sees, of one head.
std::int64_t visible_pairs(const AttentionShape& shape, std::span<const AttentionSpan> spans);

// Scratch for attention() over spans of at most `max_keys` keys, for `threads` threads.
std::int64_t attention_scratch_floats(std::int64_t max_keys, int threads);

}  // namespace attend
