#include "engine/kernels/product.h"

#include <omp.h>

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/product.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/epilogue-inl.h"
#include "engine/parallel_tasks.h"
#include "hwy/highway.h"

// Highway 1.0 has neither VDPBF16PS nor VPDPBUSD. Only the functions for bf16 and 8 bits contain them;
// whether the processor has them is asked before they are called.
#if HWY_TARGET == HWY_AVX3
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512bf16,avx512vnni")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));

// A tile of kTileRows rows and a block of kVectors vectors of outputs, as oneDNN packs them for these
// instruction sets: its sums fit into the registers, with the weights of a group and an input.
#if HWY_TARGET == HWY_AVX3
constexpr int kVectors = 4;
constexpr int kTileRows = 6;
#elif HWY_TARGET == HWY_AVX2
constexpr int kVectors = 3;
constexpr int kTileRows = 4;
#else
constexpr int kVectors = 0;
constexpr int kTileRows = 1;
#endif
constexpr std::int64_t kBlock = kVectors * kLanes;
constexpr std::int64_t kGroupBytes = kBlock * 4;

// How a vector of sums takes in a group of inputs and its weights, and the sum of another chunk.
struct Single {
  static constexpr bool kInteger = false;
  static HWY_INLINE V take(V sum, V x, V w) { return hn::MulAdd(x, w, sum); }
  static HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
};

#if HWY_TARGET == HWY_AVX3
struct Pair {
  static constexpr bool kInteger = false;
  static HWY_INLINE V take(V sum, V x, V w) {
    return V{_mm512_dpbf16_ps(sum.raw, reinterpret_cast<__m512bh>(x.raw), reinterpret_cast<__m512bh>(w.raw))};
  }
  static HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
};

struct Quad {
  static constexpr bool kInteger = true;
  static HWY_INLINE V take(V sum, V x, V w) {
    return V{_mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(sum.raw), _mm512_castps_si512(x.raw),
                                                     _mm512_castps_si512(w.raw)))};
  }
  static HWY_INLINE V add(V a, V b) {
    const hn::RebindToSigned<D> di;
    return hn::BitCast(D(), hn::Add(hn::BitCast(di, a), hn::BitCast(di, b)));
  }
};
#endif

HWY_INLINE V broadcast_group(const std::byte* x) {
  const hn::RebindToSigned<D> di;
  std::int32_t group = 0;
  std::memcpy(&group, x, sizeof(group));
  return hn::BitCast(D(), hn::Set(di, group));
}

// Where the sums of a tile go, [Rows, kBlock], rows `stride` floats apart.
struct TileEnd {
  float* to = nullptr;
  std::int64_t stride = kBlock;
  bool adds = false;  // to the sums of the chunks before, which are there
  bool last = false;  // chunk: the sums are scaled as the epilogue says
  const Epilogue* how = nullptr;
  const float* row_scales = nullptr;  // of the tile's rows, of integer sums
  std::int64_t first = 0;             // outputs [first, first + count) are those of the block
  std::int64_t count = 0;
};

// One chunk of one block for `Rows` rows, which lie x_stride bytes apart. The first tile of a block has its
// weights fetched ahead; those after it find them in the L2 cache.
template <class Kind, int Rows, bool kFetches>
void tile(const std::byte* w, const std::byte* x, std::int64_t x_stride, std::int64_t groups,
          const TileEnd& end) {
  // Ahead of the loads by more than a page, where the processor's own prefetcher stops.
  constexpr std::int64_t kAhead = 4096;
  const D d;
  V sum[Rows][kVectors];
  HWY_UNROLL(8)
  for (int r = 0; r < Rows; ++r) {
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  for (std::int64_t g = 0; g < groups; ++g, w += kGroupBytes, x += 4) {
    V weights[kVectors];
    HWY_UNROLL(4)
    for (int line = 0; kFetches && line < kGroupBytes; line += 64) __builtin_prefetch(w + kAhead + line);
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v)
      weights[v] = hn::LoadU(d, reinterpret_cast<const float*>(w) + v * kLanes);
    HWY_UNROLL(8)
    for (int r = 0; r < Rows; ++r) {
      const V input = broadcast_group(x + r * x_stride);
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Kind::take(sum[r][v], input, weights[v]);
    }
  }
  float* const to = end.to;
  const std::int64_t stride = end.stride;
  if (end.adds) {
    HWY_UNROLL(8)
    for (int r = 0; r < Rows; ++r) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v)
        sum[r][v] = Kind::add(hn::LoadU(d, to + r * stride + v * kLanes), sum[r][v]);
    }
  }
  const bool last = end.last;
  HWY_UNROLL(4)
  for (int v = 0; v < kVectors; ++v) {
    if (last) {
      const Scaling<Kind::kInteger, D> scaling(d, *end.how, end.first + v * kLanes, end.count - v * kLanes);
      HWY_UNROLL(8)
      for (int r = 0; r < Rows; ++r) sum[r][v] = scaling.apply(d, sum[r][v], end.row_scales + r);
    }
    HWY_UNROLL(8)
    for (int r = 0; r < Rows; ++r) hn::StoreU(sum[r][v], d, to + r * stride + v * kLanes);
  }
}

// The lines are there when the tile is done.
HWY_INLINE void prefetch_to_write(const std::byte* y, std::int64_t bytes) {
  constexpr std::int64_t kLine = 64;
  for (std::int64_t i = 0; i < bytes; i += kLine) __builtin_prefetch(y + i, 1);
}

template <class Kind, bool kFetches>
void tile_of(std::int64_t rows, const std::byte* w, const std::byte* x, std::int64_t x_stride,
             std::int64_t groups, const TileEnd& end) {
  const auto run = [&](auto kernel) HWY_ATTR { kernel(w, x, x_stride, groups, end); };
  switch (rows) {
    case 1: return run(tile<Kind, 1, kFetches>);
    case 2: return run(tile<Kind, 2, kFetches>);
    case 3: return run(tile<Kind, 3, kFetches>);
    case 4: return run(tile<Kind, 4, kFetches>);
    case 5: return run(tile<Kind, std::min(5, kTileRows), kFetches>);
    default: return run(tile<Kind, kTileRows, kFetches>);
  }
}

// Rows of scaled sums on to y, [rows, width], from its row `first_row` on.
template <class Y>
void combine_rows(const TileEnd& tile, std::int64_t rows, std::int64_t first_row, std::int64_t width, Y* y) {
  const D d;
  with_act(tile.how->act, [&]<Act act>() HWY_ATTR {
    for (std::int64_t i = 0; i < tile.count; i += kLanes) {
      for (std::int64_t r = 0; r < rows; ++r) {
        const V value = hn::LoadU(d, tile.to + r * tile.stride + i);
        combine<act>(d, value, *tile.how, (first_row + r) * width + tile.first + i, tile.count - i, y);
      }
    }
  });
}

// The product of one block of outputs and `rows` rows from `first_row` on; `sums` has room for [rows, block].
template <class Kind>
void block_of(const PackedMatrix& weights, std::int64_t block, const void* x, std::int64_t first_row,
              std::int64_t rows, const Epilogue& how, float* sums, void* y) {
  const std::byte* w = weights.data + block * weights.block_bytes;
  const std::int64_t x_stride = weights.in * static_cast<std::int64_t>(size_bytes(weights.dtype));
  const std::byte* from = static_cast<const std::byte*>(x) + first_row * x_stride;
  const auto y_width = static_cast<std::int64_t>(size_bytes(how.destination));
  const std::int64_t groups = x_stride / 4;
  const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  TileEnd tile{.how = &how, .first = block * kBlock, .count = std::min(kBlock, weights.out - block * kBlock)};
  // Straight to their place, where nothing but the scaling follows.
  const bool straight = groups <= kChunkGroups && tile.count == kBlock && how.act == Act::none &&
                        how.combine == DenseSpec::none && how.destination == DType::f32;
  if (straight) tile.stride = weights.out;
  for (std::int64_t g = 0; g < groups; g += kChunkGroups) {
    tile.adds = g != 0;
    tile.last = g + kChunkGroups >= groups;
    for (std::int64_t t = 0; t < tiles; ++t) {
      // Tiles of equal height: 8 rows are 4 and 4.
      const std::int64_t begin = t * rows / tiles, end = (t + 1) * rows / tiles;
      std::byte* to = static_cast<std::byte*>(y) + ((first_row + begin) * weights.out + tile.first) * y_width;
      for (std::int64_t r = 0; tile.last && r < end - begin; ++r)
        prefetch_to_write(to + r * weights.out * y_width, tile.count * y_width);
      tile.to = straight ? reinterpret_cast<float*>(to) : sums + begin * kBlock;
      if (Kind::kInteger) tile.row_scales = how.row_scales + first_row + begin;
      (t == 0 ? tile_of<Kind, true> : tile_of<Kind, false>)(end - begin, w + g * kGroupBytes,
                                                            from + begin * x_stride + g * 4, x_stride,
                                                            std::min(kChunkGroups, groups - g), tile);
      if (!tile.last || straight) continue;
      if (how.destination == DType::bf16) {
        combine_rows(tile, end - begin, first_row + begin, weights.out, static_cast<std::uint16_t*>(y));
      } else {
        combine_rows(tile, end - begin, first_row + begin, weights.out, static_cast<float*>(y));
      }
    }
  }
}

void multiply_block(const PackedMatrix& weights, std::int64_t block, const void* x, std::int64_t first_row,
                    std::int64_t rows, const Epilogue& how, float* sums, void* y) {
  if constexpr (kVectors != 0) {
    auto* run = block_of<Single>;
#if HWY_TARGET == HWY_AVX3
    if (weights.dtype == DType::bf16) run = block_of<Pair>;
    if (weights.dtype == DType::i8) run = block_of<Quad>;
#endif
    run(weights, block, x, first_row, rows, how, sums, y);
  }
}

// Null when multiply_block() does not know the type.
const char* kernel_name(DType dtype) {
#if HWY_TARGET == HWY_AVX3
  if (dtype == DType::bf16) return __builtin_cpu_supports("avx512bf16") ? "attend:avx512_bf16" : nullptr;
  if (dtype == DType::i8) return __builtin_cpu_supports("avx512vnni") ? "attend:avx512_vnni" : nullptr;
#endif
  if (dtype != DType::f32 || kVectors == 0) return nullptr;
  return kVectors == 4 ? "attend:avx512" : "attend:avx2";
}

std::int64_t block_outputs() {
  return kBlock;
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {
namespace {

HWY_EXPORT(multiply_block);
HWY_EXPORT(kernel_name);
HWY_EXPORT(block_outputs);

constexpr std::int64_t kMostBlockOutputs = 64;
// Rows for which a block of weights stays in the L2 cache, and the fewest that are worth a task of their own.
constexpr std::int64_t kMostPanelRows = 96;
constexpr std::int64_t kFewestPanelRows = 24;
// Where tasks are few, threads wait for the last of them.
constexpr std::int64_t kTasksPerThread = 4;
// Less is computed before another thread has woken up; in bytes of weights, once for each tile.
constexpr std::int64_t kParallelBytes = std::int64_t{1} << 17;

std::int64_t panels_of(std::int64_t rows, std::int64_t blocks) {
  const auto of = [&](std::int64_t panel_rows) { return (rows + panel_rows - 1) / panel_rows; };
  const std::int64_t wanted = (kTasksPerThread * omp_get_max_threads() + blocks - 1) / blocks;
  return std::max(of(kMostPanelRows), std::min(of(kFewestPanelRows), wanted));
}

}  // namespace

const char* product_kernel(const PackedMatrix& weights) {
  const auto group = static_cast<std::int64_t>(4 / size_bytes(weights.dtype));
  const bool fits = weights.block_outputs != 0 && weights.in % group == 0 &&
                    weights.block_outputs == HWY_DYNAMIC_DISPATCH(block_outputs)();
  return fits ? HWY_DYNAMIC_DISPATCH(kernel_name)(weights.dtype) : nullptr;
}

void multiply(const PackedMatrix& weights, const void* x, std::int64_t rows, const Epilogue& how, void* y) {
  const std::int64_t blocks = (weights.out + weights.block_outputs - 1) / weights.block_outputs;
  const std::int64_t panels = panels_of(rows, blocks);
  const std::int64_t read_bytes = blocks * weights.block_bytes * ((rows + 3) / 4);
  // By panels first: where there are as many as threads, each has rows of its own.
  parallel_tasks(
      blocks * panels, blocks * panels > 1 && read_bytes >= kParallelBytes, [&](std::int64_t task) {
        alignas(64) float sums[kMostPanelRows * kMostBlockOutputs];
        const std::int64_t panel = task / blocks;
        const std::int64_t begin = panel * rows / panels, end = (panel + 1) * rows / panels;
        HWY_DYNAMIC_DISPATCH(multiply_block)(weights, task % blocks, x, begin, end - begin, how, sums, y);
      });
}

}  // namespace attend
#endif
