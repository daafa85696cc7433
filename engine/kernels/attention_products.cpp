#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/kernels/attention_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/attention_products.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/bf16_pairs-inl.h"
#include "engine/kernels/transpose_4x4-inl.h"
#include "hwy/highway.h"

// Legend: B blocks of 16 keys, C columns of 16 elements of a head, d head width, K kind of operands, Q
// queries.

ATTEND_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
// Vectors that hold the 16 keys of a block; sums that fit into the registers beside their operands. (28: of 7
// queries all columns of a head of 64 at once.)
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
constexpr int kVectors = 16 / kLanes;
constexpr int kSums = kVectors == 1 ? 28 : 12;
constexpr int kMostQueries = std::clamp(kSums / kVectors, 1, kTileQueries);

// How many blocks before they are needed keys and values are fetched into the L2 cache. (Into the L1 cache
// fewer misses may be under way at once: it takes a third longer.)
constexpr std::int64_t kAhead = 4;
// Tiles of fewer blocks fetch nothing: what is short is likely in a cache, and a single query waits for
// loads.
constexpr std::int64_t kFetchBlocks = 2 * kAhead;
// Blocks of values that all columns of some queries are summed over before those that follow, so that memory
// is read at an even pace.
constexpr std::int64_t kMixBlocks = 4;

HWY_INLINE bool fetches(const AttentionTile& tile) {
  return tile.end_block - tile.first_block >= kFetchBlocks;
}
HWY_INLINE void fetch(const std::byte* memory) {
  __builtin_prefetch(memory, 0, 2);
}

// Kinds of operands: how 16 keys' (or columns') elements are read from a cache, and multiplied.
//   kGroup  elements of a head (or tokens) that lie side by side and are read at once
//   kParts  vectors of f32 lanes that they make, each with an operand of its own: a query's element (or a
//           token's weight) as f32, or two of them as bf16
struct Floats {
  using Element = float;
  static constexpr int kGroup = 1, kParts = 1;
  static HWY_INLINE V part(const float* x, int) { return hn::Load(D(), x); }
  static HWY_INLINE V add(V sum, V operand, V x) { return hn::MulAdd(operand, x, sum); }
};

struct Bytes {
  using Element = std::int8_t;
  static constexpr int kGroup = 1, kParts = 1;
  static HWY_INLINE V part(const std::int8_t* x, int) {
    const hn::RebindToSigned<D> di;
    const hn::Rebind<std::int8_t, D> di8;
    return hn::ConvertTo(D(), hn::PromoteTo(di, hn::Load(di8, x)));
  }
  static HWY_INLINE V add(V sum, V operand, V x) { return hn::MulAdd(operand, x, sum); }
};

struct Halves {
  using Element = std::uint16_t;
  static constexpr int kGroup = 2, kParts = 2;
  static HWY_INLINE V part(const std::uint16_t* x, int part) {
    const hn::RebindToUnsigned<D> du;
    const auto words = hn::Load(du, reinterpret_cast<const std::uint32_t*>(x));
    return hn::BitCast(D(), part == 0 ? hn::ShiftLeft<16>(words) : hn::And(words, hn::Set(du, 0xFFFF0000U)));
  }
  static HWY_INLINE V add(V sum, V operand, V x) { return hn::MulAdd(operand, x, sum); }
};

#if ATTEND_BF16_PAIRS
struct HalfPairs {
  using Element = std::uint16_t;
  static constexpr int kGroup = 2, kParts = 1;
  static HWY_INLINE V part(const std::uint16_t* x, int) {
    return hn::Load(D(), reinterpret_cast<const float*>(x));
  }
  static HWY_INLINE V add(V sum, V operand, V x) { return add_pairs(sum, operand, x); }
};
#else
using HalfPairs = Halves;
#endif

bool has_pairs() {
  return multiplies_pairs();
}

// Calls body.operator()<K>().
template <typename Body>
HWY_INLINE void for_kind(const AttentionShape& shape, Body&& body) {
  switch (shape.kv.dtype) {
    case DType::bf16:
      return shape.products == DType::bf16 ? body.template operator()<HalfPairs>()
                                           : body.template operator()<Halves>();
    case DType::i8: return body.template operator()<Bytes>();
    default: return body.template operator()<Floats>();
  }
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

HWY_INLINE const float* key_scales(const AttentionTile& tile, std::int64_t block) {
  return reinterpret_cast<const float*>(tile.blocks[block] + tile.shape->kv.key_scales_offset(tile.kv_head));
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

template <class K, int Q, int B>
HWY_INLINE void score_blocks(const AttentionTile& tile, int first, std::int64_t block) {
  const D tag;
  using Element = typename K::Element;
  constexpr std::int64_t kStep = 16 * K::kGroup;
  constexpr std::int64_t kStepBytes = kStep * sizeof(Element);
  const KvSlice& kv = tile.shape->kv;
  const Element* keys[B];
  const std::byte* ahead[B];
  for (int b = 0; b < B; ++b) {
    keys[b] = reinterpret_cast<const Element*>(tile.blocks[block + b] + kv.key_offset(tile.kv_head));
    ahead[b] = keys_ahead(tile, block + kAhead + b);
  }
  const bool fetching = fetches(tile);
  const float* HWY_RESTRICT q = tile.q + first;
  V sum[Q][B][kVectors];
  for (int i = 0; i < Q; ++i) {
    for (int b = 0; b < B; ++b) {
      for (int v = 0; v < kVectors; ++v) sum[i][b][v] = hn::Zero(tag);
    }
  }
  const std::int64_t steps = (kv.head_dim + K::kGroup - 1) / K::kGroup;
  for (std::int64_t j = 0; j < steps; ++j) {
    if (fetching && j * kStepBytes % 64 == 0) {
      for (int b = 0; b < B; ++b) fetch(ahead[b] + j * kStepBytes);
    }
    for (int part = 0; part < K::kParts; ++part, q += kTileQueries) {
      V key[B][kVectors];
      for (int b = 0; b < B; ++b) {
        for (int v = 0; v < kVectors; ++v)
          key[b][v] = K::part(keys[b] + j * kStep + v * kLanes * K::kGroup, part);
      }
      for (int i = 0; i < Q; ++i) {
        const V query = hn::Set(tag, q[i]);
        for (int b = 0; b < B; ++b) {
          for (int v = 0; v < kVectors; ++v) sum[i][b][v] = K::add(sum[i][b][v], query, key[b][v]);
        }
      }
    }
  }
  for (int b = 0; b < B; ++b) {
    float* scores = tile.scores + first * kScoreStride + (block + b - tile.first_block) * kBlockTokens;
    for (int v = 0; v < kVectors; ++v) {
      V scale = hn::Set(tag, 1.0F);
      if constexpr (sizeof(Element) == 1) scale = hn::LoadU(tag, key_scales(tile, block + b) + v * kLanes);
      for (int i = 0; i < Q; ++i) {
        const V scaled = sizeof(Element) == 1 ? hn::Mul(sum[i][b][v], scale) : sum[i][b][v];
        hn::StoreU(scaled, tag, scores + i * kScoreStride + v * kLanes);
      }
    }
  }
}

// Goes on with the sums of some columns, over the values of [block, end_block).
template <class K, int Q, int C>
HWY_INLINE void mix_columns(const AttentionTile& tile, int first, std::int64_t column, std::int64_t block,
                            std::int64_t end_block) {
  const D tag;
  using Element = typename K::Element;
  constexpr std::int64_t kBytes = sizeof(Element);
  constexpr std::int64_t kColumnBytes = 16 * K::kGroup * kBytes;
  const KvSlice& kv = tile.shape->kv;
  const std::int64_t stride = kv.value_stride();
  const std::int64_t offset = kv.value_offset(tile.kv_head) + column * kColumnBytes;
  const bool fetching = fetches(tile);
  float* out = tile.result.mixed + first * stride + column * 16;
  V sum[Q][C][kVectors];
  for (int i = 0; i < Q; ++i) {
    for (int c = 0; c < C; ++c) {
      for (int v = 0; v < kVectors; ++v)
        sum[i][c][v] = block == tile.first_block ? hn::Zero(tag)
                                                 : hn::LoadU(tag, out + i * stride + c * 16 + v * kLanes);
    }
  }
  const float* HWY_RESTRICT weights = tile.scores + first * kScoreStride +
                                      (block - tile.first_block) * (kBlockTokens / K::kGroup * K::kParts);
  for (; block < end_block; ++block) {
    const auto* values = reinterpret_cast<const Element*>(tile.blocks[block] + offset);
    const std::byte* ahead = values_ahead(tile, block + kAhead) + column * kColumnBytes;
    const std::int64_t tokens = std::min<std::int64_t>(kBlockTokens, tile.max_end - block * kBlockTokens);
    for (std::int64_t t = 0; t < tokens; t += K::kGroup, values += stride * K::kGroup) {
      if (fetching) {
        for (std::int64_t at = 0; at < C * kColumnBytes; at += 64) fetch(ahead + t * stride * kBytes + at);
      }
      for (int part = 0; part < K::kParts; ++part, ++weights) {
        V value[C][kVectors];
        for (int c = 0; c < C; ++c) {
          for (int v = 0; v < kVectors; ++v)
            value[c][v] = K::part(values + (c * 16 + v * kLanes) * K::kGroup, part);
        }
        for (int i = 0; i < Q; ++i) {
          const V weight = hn::Set(tag, weights[i * kScoreStride]);
          for (int c = 0; c < C; ++c) {
            for (int v = 0; v < kVectors; ++v) sum[i][c][v] = K::add(sum[i][c][v], weight, value[c][v]);
          }
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

// Element j of 16 keys, from lane `lane` on, without its scale; and of a query.
template <class K>
HWY_INLINE V key_element(const typename K::Element* keys, std::int64_t j, std::int64_t lane) {
  if constexpr (K::kGroup == 2)
    return Halves::part(keys + j / 2 * 32 + lane * 2, static_cast<int>(j % 2));
  else
    return K::part(keys + j * 16 + lane, 0);
}
template <class K>
HWY_INLINE float query_element(const AttentionTile& tile, std::int64_t j, int query) {
  if constexpr (K::kParts == K::kGroup) return tile.q[j * kTileQueries + query];
  const auto word = std::bit_cast<std::uint32_t>(tile.q[j / 2 * kTileQueries + query]);
  return std::bit_cast<float>(j % 2 == 0 ? word << 16 : word & 0xFFFF0000U);
}

// Adds the products with the embeddings of the distances; each score by itself, over the head's elements in
// order.
template <class K>
void add_relative_scores(const AttentionTile& tile) {
  const D tag;
  using Element = typename K::Element;
  const KvSlice& kv = tile.shape->kv;
  const RelativeTerms& terms = *tile.shape->relative;
  for (int i = 0; i < tile.queries; ++i) {
    const auto n = static_cast<std::size_t>(i);
    const std::int64_t table = tile.head[n] * kv.head_dim * terms.columns;
    float* scores = tile.scores + i * kScoreStride;
    for (std::int64_t block = tile.first_block; block < tile.end_block; ++block) {
      const std::byte* memory = tile.blocks[block];
      const auto* keys = reinterpret_cast<const Element*>(memory + kv.key_offset(tile.kv_head));
      const std::int64_t at = (block - tile.first_block) * kBlockTokens;
      const std::int64_t column = table + tile.distance[n] + at;
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t lane = v * kLanes;
        V scale = hn::Set(tag, 1.0F);
        if constexpr (sizeof(Element) == 1) scale = hn::LoadU(tag, key_scales(tile, block) + lane);
        V sum = hn::LoadU(tag, scores + at + lane);
        for (std::int64_t j = 0; j < kv.head_dim; ++j) {
          const std::int64_t place = column + j * terms.columns + lane;
          if (terms.keys != nullptr)
            sum = hn::MulAdd(hn::Set(tag, query_element<K>(tile, j, i)), hn::LoadU(tag, terms.keys + place),
                             sum);
          if (terms.queries != nullptr) {
            const V key = hn::Mul(key_element<K>(keys, j, lane), scale);
            sum = hn::MulAdd(key, hn::LoadU(tag, terms.queries + place), sum);
          }
        }
        hn::StoreU(sum, tag, scores + at + lane);
      }
    }
  }
}

void score(const AttentionTile& tile) {
  const RelativeTerms* terms = tile.shape->relative;
  for_kind(*tile.shape, [&]<class K>() HWY_ATTR {
    for_queries(tile.queries, [&]<int Q>(int first) HWY_ATTR {
      in_groups<side_by_side(Q)>(tile.first_block, tile.end_block, [&]<int B>(std::int64_t block) HWY_ATTR {
        score_blocks<K, Q, B>(tile, first, block);
      });
    });
    if (terms != nullptr && (terms->keys != nullptr || terms->queries != nullptr))
      add_relative_scores<K>(tile);
  });
}

void mix(const AttentionTile& tile) {
  const std::int64_t columns = tile.shape->kv.value_stride() / 16;
  for_kind(*tile.shape, [&]<class K>() HWY_ATTR {
    for_queries(tile.queries, [&]<int Q>(int first) HWY_ATTR {
      for (std::int64_t block = tile.first_block; block < tile.end_block; block += kMixBlocks) {
        const std::int64_t end = std::min(block + kMixBlocks, tile.end_block);
        in_groups<side_by_side(Q)>(0, columns, [&]<int C>(std::int64_t column) HWY_ATTR {
          mix_columns<K, Q, C>(tile, first, column, block, end);
        });
      }
    });
  });
}

void pack(const AttentionShape& shape, int queries, const float* const* rows, float* to) {
  constexpr std::int64_t kChunk = 16;  // words of a row
  const D tag;
  const int padded = (queries + 3) / 4 * 4;  // no kernel reads beyond
  const bool pairs = shape.products == DType::bf16;
  const std::int64_t per_word = pairs ? 2 : 1;
  HWY_ALIGN std::uint32_t words[kTileQueries][kChunk];
  HWY_ALIGN float part[2 * kChunk];
  for (std::int64_t j = 0; j < shape.kv.head_dim; j += kChunk * per_word) {
    const std::int64_t count = std::min(kChunk * per_word, shape.kv.head_dim - j);
    for (int i = 0; i < padded; ++i) {
      const bool there = i < queries;
      const float* row = there ? rows[i] + j : part;
      if (!there || count < kChunk * per_word) {
        std::fill(std::begin(part), std::end(part), 0.0F);
        if (there) std::copy_n(row, count, part);
        row = part;
      }
      if (pairs) {
        for (std::int64_t k = 0; k < 2 * kChunk; k += kLanes)
          store_pairs(tag, hn::LoadU(tag, row + k), reinterpret_cast<std::uint16_t*>(words[i]) + k);
      } else {
        std::memcpy(words[i], row, sizeof(words[i]));
      }
    }
    const std::int64_t used = (count + per_word - 1) / per_word;
    auto* chunk = reinterpret_cast<std::uint32_t*>(to) + j / per_word * kTileQueries;
    for (std::int64_t w = 0; w < used; w += 4) {
      for (int i = 0; i < padded; i += 4)
        transpose_4x4(&words[i][w], kChunk,
                      [&](int k) HWY_ATTR { return chunk + (w + k) * kTileQueries + i; });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {

HWY_EXPORT(has_pairs);
HWY_EXPORT(pack);
HWY_EXPORT(score);
HWY_EXPORT(mix);

bool has_bf16_products() {
  return HWY_DYNAMIC_DISPATCH(has_pairs)();
}
void pack_queries(const AttentionShape& shape, int queries, const float* const* rows, float* packed) {
  HWY_DYNAMIC_DISPATCH(pack)(shape, queries, rows, packed);
}
void score_tile(const AttentionTile& tile) {
  HWY_DYNAMIC_DISPATCH(score)(tile);
}
void mix_tile(const AttentionTile& tile) {
  HWY_DYNAMIC_DISPATCH(mix)(tile);
}

}  // namespace attend
#endif
