// One tile of attention: some queries that share a key-value head against some consecutive keys.
//
// Softmax runs over the tiles of a query's keys one after another, with the largest score so far, the sum of
// exponentials and the weighted sum of values beside it (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao
// et al. 2022, arXiv:2205.14135). Tiles begin at fixed keys, every score is one chain of fused multiply-adds
// over head_dim, every sum runs over the keys in order, in 16 fixed lanes: a query's result depends on its
// own keys only, not on what else is in the batch, how a prompt was cut into chunks, or how many threads run.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/kernels/attention.h"

namespace attend {

// Queries that are computed together; each key or value that is loaded serves all of them.
constexpr int kTileQueries = 12;
constexpr std::int64_t kMostTileKeys = 512;
// Floats between the scores of two queries: rows of a power of two would compete for the same cache lines.
constexpr std::int64_t kScoreStride = kMostTileKeys + 16;

// Keys of a tile: as many as leave room in the L2 cache beside their values (256 KB in f32).
inline std::int64_t tile_keys(const KvSlice& kv) {
  return std::clamp<std::int64_t>(32768 / kv.value_stride() / kBlockTokens * kBlockTokens, kBlockTokens,
                                  kMostTileKeys);
}

// The running softmax of several queries; views of the scratch.
struct RunningSoftmax {
  float* max = nullptr;    // [Q]
  float* sum = nullptr;    // [Q], 0: no key yet
  float* mixed = nullptr;  // [Q][value_stride], relative to max

  RunningSoftmax from(std::int64_t query, std::int64_t value_stride) const {
    return {max + query, sum + query, mixed + query * value_stride};
  }
};

struct AttentionTile {
  const AttentionShape* shape = nullptr;
  BlockTable blocks = nullptr;
  std::int64_t kv_head = 0;
  int queries = 0;
  const float* q = nullptr;      // what pack_queries() left
  std::int64_t first_block = 0;  // blocks of the tile that any query sees
  std::int64_t end_block = 0;
  std::int64_t table_end = 0;  // blocks before it may be fetched
  std::int64_t max_end = 0;    // keys at and after it are not read
  // Keys [begin, end) that each query sees, counted from first_block's first; none where they are equal.
  std::array<std::int64_t, kTileQueries> begin{};
  std::array<std::int64_t, kTileQueries> end{};
  std::array<std::int64_t, kTileQueries> head{};      // of the query
  std::array<std::int64_t, kTileQueries> distance{};  // column of relative terms for first_block's first key
  float* scores = nullptr;                            // [kTileQueries][kScoreStride]
  RunningSoftmax result;                              // room for kTileQueries

  std::int64_t columns() const { return (end_block - first_block) * kBlockTokens; }
};

// Words of 32 bits that a packed query takes.
inline std::int64_t query_words(const AttentionShape& shape) {
  return shape.products == DType::bf16 ? (shape.kv.head_dim + 1) / 2 : (shape.kv.head_dim + 1) / 2 * 2;
}
// Transposes up to kTileQueries queries [head_dim] to [query_words][kTileQueries]: f32, or two elements of a
// query as bf16, when that is what products are computed with.
void pack_queries(const AttentionShape& shape, int queries, const float* const* rows, float* packed);

// The steps of a tile, in this order.
// Products of queries and keys; afterwards scaled, capped and biased, with -inf where a key is not seen.
void score_tile(const AttentionTile& tile);
void mask_tile(const AttentionTile& tile);
// Exponentials in place of the scores (times the values' scales, where they have some; as bf16, one after
// another, when products are), and their sums.
void exponentiate_tile(const AttentionTile& tile);
void mix_tile(const AttentionTile& tile);

// Adds what `tile` found to the running softmax of `queries` queries.
void merge_softmax(const RunningSoftmax& tile, int queries, std::int64_t value_stride,
                   const RunningSoftmax& running);
// out[width] = the mean of the values, of the first query.
void finish_softmax(const RunningSoftmax& running, std::int64_t width, float* out);
// Makes scaled scores [count] the weights of the first query.
void finish_weights(const RunningSoftmax& running, std::int64_t count, float* scores);

}  // namespace attend
