// Keys and values in the blocks of the paged cache, as f32, bf16 or 8 bits.
//
// A block holds kBlockTokens = 16 tokens of one key-value head as
//   keys   [head_dim][16]           transposed: the scores of a query need no horizontal sums
//   values [16][value_stride]       value_stride = head_dim rounded up to a multiple of 16, zero-padded
// and a state's heads follow one another: keys of all heads, then values of all heads. With 8 bits come two
// more arrays of f32, [heads][16] each: the scales of the keys' rows and of the values' rows, a row being
// what one token has in one head; element = scale * q with scale = max |row| / 127.
//
// In bf16 two neighbours share a word of 32 bits, the first in its lower half, so that both can be multiplied
// at once: elements 2i and 2i + 1 of a key, [(head_dim + 1) / 2][16] words, and tokens 2i and 2i + 1 of the
// values, [8][value_stride] words. What has no neighbour (yet) has zero in its place.
//
// What a token leaves depends on its own keys and values only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attend/dtype.h"
#include "engine/plan/step_input.h"

namespace attend {

// Where a state lies within a block, in bytes.
struct KvSlice {
  std::int64_t offset = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  DType dtype = DType::f32;  // f32, bf16 or i8

  std::int64_t value_stride() const { return (head_dim + 15) / 16 * 16; }  // in elements
  std::int64_t key_bytes() const {
    return (dtype == DType::bf16 ? (head_dim + 1) / 2 * 2 : head_dim) * kBlockTokens * element_bytes();
  }
  std::int64_t value_bytes() const { return value_stride() * kBlockTokens * element_bytes(); }
  std::int64_t key_offset(std::int64_t head) const { return offset + head * key_bytes(); }
  std::int64_t value_offset(std::int64_t head) const {
    return offset + heads * key_bytes() + head * value_bytes();
  }
  // Of 8 bits only.
  std::int64_t key_scales_offset(std::int64_t head) const {
    return value_offset(heads) + head * kBlockTokens * 4;
  }
  std::int64_t value_scales_offset(std::int64_t head) const { return key_scales_offset(heads + head); }
  // Bytes of one block, whole cache lines.
  std::int64_t size_bytes() const {
    const std::int64_t end = dtype == DType::i8 ? value_scales_offset(heads) : value_offset(heads);
    return (end - offset + 63) / 64 * 64;
  }

 private:
  std::int64_t element_bytes() const { return static_cast<std::int64_t>(attend::size_bytes(dtype)); }
};

// Consecutive query rows over one block table.
struct AttentionSpan {
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
  std::int32_t past = 0;  // position of the first row, when causal or windowed
  std::int32_t keys = 0;  // keys in the table, those of these rows included
  BlockTable blocks = nullptr;
};

// Writes keys and values of rows [first_row, first_row + rows) to tokens [past, past + rows) of `blocks`, and
// may touch the rest of the last block. Threads that write to one sequence must not share a block.
// `keys` and `values` point to row 0, their rows `stride` floats apart. A row that holds an infinity or NaN
// gets the scale NaN.
void write_kv(const KvSlice& kv, const AttentionSpan& span, const float* keys, const float* values,
              std::int64_t stride);

}  // namespace attend
