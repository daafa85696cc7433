#include "engine/kernels/few_rows.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/few_rows.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/profiler/worker_spans.h"
#include "hwy/highway.h"

// Highway 1.0 has no VDPBF16PS. Only the functions for pairs contain it; whether the processor has it is
// asked before they are called.
#if HWY_TARGET == HWY_AVX3
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512bf16")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));

// The blocks that oneDNN packs for these instruction sets; their sums fit into registers for kFewRows rows,
// together with the weights of a group.
#if HWY_TARGET == HWY_AVX3
constexpr int kVectors = 4;
#elif HWY_TARGET == HWY_AVX2
constexpr int kVectors = 3;
#else
constexpr int kVectors = 0;
#endif
constexpr std::int64_t kGroupBytes = kVectors * kLanes * 4;

using V = hn::Vec<D>;

HWY_INLINE V load(const std::byte* p) {
  return hn::LoadU(D(), reinterpret_cast<const float*>(p));
}

// How a vector of sums takes in a group of inputs and its weights.
struct Single {
  static HWY_INLINE V add(V sum, const std::byte* x, V w) {
    return hn::MulAdd(hn::Set(D(), *reinterpret_cast<const float*>(x)), w, sum);
  }
};

#if HWY_TARGET == HWY_AVX3
struct Pair {
  static HWY_INLINE V add(V sum, const std::byte* x, V w) {
    std::int32_t pair = 0;
    std::memcpy(&pair, x, sizeof(pair));
    return V{_mm512_dpbf16_ps(sum.raw, reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)),
                              reinterpret_cast<__m512bh>(w.raw))};
  }
};
#endif

// One chunk of one block for `Rows` rows; groups of a row of x lie 4 bytes apart. The sums are added to what
// is in `sums`, unless this is the first chunk.
template <class Kind, int Rows>
void chunk_of_rows(const std::byte* w, const std::byte* x, std::int64_t x_stride, std::int64_t groups,
                   bool first, float* sums) {
  // Ahead of the loads by more than a page, where the processor's own prefetcher stops.
  constexpr std::int64_t kAhead = 4096;
  V sum[Rows][kVectors];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(D());
  }
  for (std::int64_t g = 0; g < groups; ++g, w += kGroupBytes, x += 4) {
    for (int v = 0; v < kVectors; ++v) __builtin_prefetch(w + kAhead + v * kLanes * 4);
    V weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = load(w + v * kLanes * 4);
    for (int r = 0; r < Rows; ++r) {
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Kind::add(sum[r][v], x + r * x_stride, weights[v]);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      float* to = sums + (r * kVectors + v) * kLanes;
      hn::StoreU(first ? sum[r][v] : hn::Add(hn::LoadU(D(), to), sum[r][v]), D(), to);
    }
  }
}

template <class Kind>
void chunk(const std::byte* w, const std::byte* x, std::int64_t x_stride, std::int64_t rows,
           std::int64_t groups, bool first, float* sums) {
  if constexpr (kVectors != 0) {
    const auto run = [&](auto kernel) HWY_ATTR { kernel(w, x, x_stride, groups, first, sums); };
    switch (rows) {
      case 1: run(chunk_of_rows<Kind, 1>); break;
      case 2: run(chunk_of_rows<Kind, 2>); break;
      default: run(chunk_of_rows<Kind, kFewRows>);
    }
  }
}

// All sums of one block: sums is [rows, block outputs], 4 bytes each.
void block_sums(const PackedMatrix& weights, std::int64_t block, const std::byte* x, std::int64_t rows,
                std::int64_t chunk_inputs, float* sums) {
  const std::byte* w = weights.data + block * weights.block_bytes;
  const auto group = static_cast<std::int64_t>(4 / size_bytes(weights.dtype));
  const std::int64_t groups = weights.in / group;
  const std::int64_t step = std::min(groups, chunk_inputs / group);
  for (std::int64_t g = 0; g < groups; g += step) {
    auto* run = chunk<Single>;
#if HWY_TARGET == HWY_AVX3
    if (weights.dtype == DType::bf16) run = chunk<Pair>;
#endif
    run(w + g * kGroupBytes, x + g * 4, groups * 4, rows, std::min(step, groups - g), g == 0, sums);
  }
}

// The outputs of a block that block_sums() computes, 0 when it does not know the type.
std::int64_t block_outputs(DType dtype) {
#if HWY_TARGET == HWY_AVX3
  if (dtype == DType::bf16 && __builtin_cpu_supports("avx512bf16")) return kVectors * kLanes;
#endif
  return dtype == DType::f32 ? kVectors * kLanes : 0;
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {
namespace {

HWY_EXPORT(block_sums);
HWY_EXPORT(block_outputs);

constexpr std::size_t kMostSums = kFewRows * kMostBlockOutputs;
// Less is read before another thread has woken up.
constexpr std::int64_t kParallelBytes = std::int64_t{1} << 17;

}  // namespace

bool has_few_rows_kernel(const PackedMatrix& weights) {
  const auto group = static_cast<std::int64_t>(4 / size_bytes(weights.dtype));
  return weights.block_outputs != 0 && weights.in % group == 0 &&
         weights.block_outputs == HWY_DYNAMIC_DISPATCH(block_outputs)(weights.dtype);
}

void multiply_few_rows(const PackedMatrix& weights, const void* x, std::int64_t rows, std::int64_t chunk,
                       const TakeSums& take) {
  const std::int64_t blocks = (weights.out + weights.block_outputs - 1) / weights.block_outputs;
  WorkerSpans* const workers = WorkerSpans::current();
#pragma omp parallel if (blocks > 1 && blocks * weights.block_bytes >= kParallelBytes)
  {
    const WorkerTimer worker(workers);
    // Dynamic: who has a core for himself takes more than who shares it.
#pragma omp for schedule(dynamic) nowait
    for (std::int64_t b = 0; b < blocks; ++b) {
      alignas(64) float sums[kMostSums];
      HWY_DYNAMIC_DISPATCH(block_sums)(weights, b, static_cast<const std::byte*>(x), rows, chunk, sums);
      const std::int64_t first = b * weights.block_outputs;
      const std::int64_t count = std::min(weights.block_outputs, weights.out - first);
      for (std::int64_t r = 0; r < rows; ++r) take(r, first, count, sums + r * weights.block_outputs);
    }
  }
}

}  // namespace attend
#endif
