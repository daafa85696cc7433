#include "engine/kernels/kv_cache.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/kv_cache.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/narrow-inl.h"
#include "engine/kernels/transpose_4x4-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
constexpr int kLevels = 127;

// 16 floats that begin with `count` of x; zeros follow.
const float* whole(const float* x, std::int64_t count, float* buffer) {
  if (count == 16) return x;
  std::fill(std::copy_n(x, count, buffer), buffer + 16, 0.0F);
  return buffer;
}

// 16 elements in the form of the cache.
void convert(const float* x, float, float* y) {
  std::copy_n(x, 16, y);
}

void convert(const float* x, float, std::uint16_t* y) {
  const D d;
  for (std::int64_t i = 0; i < 16; i += kLanes) store_bf16(d, hn::LoadU(d, x + i), y + i);
}

// A row that is not finite has the factor 0 and the scale NaN: what is stored for it does not matter.
void convert(const float* x, float factor, std::int8_t* y) {
  const D d;
  const hn::Rebind<std::int8_t, D> di8;
  for (std::int64_t i = 0; i < 16; i += kLanes) {
    const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)));
    hn::StoreU(hn::DemoteTo(di8, rounded), di8, y + i);
  }
}

// Consecutive tokens of one head that share a block: slots [slot, slot + count).
struct Run {
  const float* keys = nullptr;  // of the first token
  const float* values = nullptr;
  std::int64_t stride = 0;  // floats between two tokens
  std::int64_t slot = 0;
  std::int64_t count = 0;
};

// Columns [slot, slot + count) of dst [words][16] from rows of 16 words, of which `words` are used.
void transpose_rows(const std::uint32_t (*rows)[16], std::int64_t slot, std::int64_t count,
                    std::int64_t words, std::uint32_t* dst) {
  if (count == kBlockTokens && words == 16) {
    for (std::int64_t w = 0; w < 16; w += 4) {
      for (std::int64_t r = 0; r < 16; r += 4)
        transpose_4x4(&rows[r][w], 16, [&](int i) HWY_ATTR { return dst + (w + i) * kBlockTokens + r; });
    }
    return;
  }
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t w = 0; w < words; ++w) dst[w * kBlockTokens + slot + r] = rows[r][w];
  }
}

// Keys of f32, or of two bf16, as words.
template <class T>
void write_keys(const Run& run, std::int64_t width, T* keys) {
  constexpr std::int64_t kPerWord = sizeof(std::uint32_t) / sizeof(T);
  constexpr std::int64_t kChunk = 16 * kPerWord;
  HWY_ALIGN float buffer[16];
  HWY_ALIGN std::uint32_t rows[kBlockTokens][16];
  for (std::int64_t j = 0; j < width; j += kChunk) {
    const std::int64_t count = std::min(kChunk, width - j);
    for (std::int64_t r = 0; r < run.count; ++r) {
      for (std::int64_t i = 0; i < count; i += 16) {
        const float* x = run.keys + r * run.stride + j + i;
        convert(whole(x, std::min<std::int64_t>(16, count - i), buffer), 1.0F,
                reinterpret_cast<T*>(rows[r]) + i);
      }
    }
    transpose_rows(rows, run.slot, run.count, (count + kPerWord - 1) / kPerWord,
                   reinterpret_cast<std::uint32_t*>(keys) + j / kPerWord * kBlockTokens);
  }
}

void write_values(const Run& run, std::int64_t width, std::int64_t value_stride, float* values) {
  HWY_ALIGN float buffer[16];
  for (std::int64_t r = 0; r < run.count; ++r) {
    const float* x = run.values + r * run.stride;
    float* row = values + (run.slot + r) * value_stride;
    for (std::int64_t j = 0; j < width; j += 16)
      convert(whole(x + j, std::min<std::int64_t>(16, width - j), buffer), 1.0F, row + j);
  }
}

// The second token of a word finds the first one there.
void write_values(const Run& run, std::int64_t width, std::int64_t value_stride, std::uint16_t* values) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> du16;
  HWY_ALIGN float buffer[16];
  HWY_ALIGN std::uint16_t part[16];
  for (std::int64_t r = 0; r < run.count; ++r) {
    const float* x = run.values + r * run.stride;
    const std::int64_t slot = run.slot + r;
    auto* row = reinterpret_cast<std::uint32_t*>(values) + slot / 2 * value_stride;
    for (std::int64_t j = 0; j < width; j += 16) {
      convert(whole(x + j, std::min<std::int64_t>(16, width - j), buffer), 1.0F, part);
      for (std::int64_t i = 0; i < 16; i += kLanes) {
        auto words = hn::PromoteTo(du, hn::Load(du16, part + i));
        if (slot % 2 != 0)
          words = hn::Or(hn::ShiftLeft<16>(words), hn::And(hn::LoadU(du, row + j + i), hn::Set(du, 0xFFFFU)));
        hn::StoreU(words, du, row + j + i);
      }
    }
  }
}

template <class T>
void write_run(const KvSlice& kv, const Run& run, std::int64_t head, std::byte* block) {
  write_keys(run, kv.head_dim, reinterpret_cast<T*>(block + kv.key_offset(head)));
  write_values(run, kv.head_dim, kv.value_stride(), reinterpret_cast<T*>(block + kv.value_offset(head)));
}

// 8 bits: every row has its scale.
template <>
void write_run<std::int8_t>(const KvSlice& kv, const Run& run, std::int64_t head, std::byte* block) {
  HWY_ALIGN float buffer[16];
  HWY_ALIGN std::int8_t part[16];
  for (std::int64_t r = 0; r < run.count; ++r) {
    const float* key = run.keys + r * run.stride;
    const float* value = run.values + r * run.stride;
    const std::int64_t slot = run.slot + r;
    const RowScale key_scale = row_scale(D(), key, kv.head_dim, kLevels);
    const RowScale value_scale = row_scale(D(), value, kv.head_dim, kLevels);
    reinterpret_cast<float*>(block + kv.key_scales_offset(head))[slot] = key_scale.scale;
    reinterpret_cast<float*>(block + kv.value_scales_offset(head))[slot] = value_scale.scale;
    auto* keys = reinterpret_cast<std::int8_t*>(block + kv.key_offset(head)) + slot;
    auto* values = reinterpret_cast<std::int8_t*>(block + kv.value_offset(head)) + slot * kv.value_stride();
    for (std::int64_t j = 0; j < kv.head_dim; j += 16) {
      const std::int64_t count = std::min<std::int64_t>(16, kv.head_dim - j);
      convert(whole(key + j, count, buffer), key_scale.factor, part);
      for (std::int64_t i = 0; i < count; ++i) keys[(j + i) * kBlockTokens] = part[i];
      convert(whole(value + j, count, buffer), value_scale.factor, values + j);
    }
  }
}

template <class T>
void write_rows(const KvSlice& kv, const AttentionSpan& span, const float* keys, const float* values,
                std::int64_t stride) {
  // All tokens of a block for one head, then the next head.
  std::int64_t count = 0;
  for (std::int64_t r = 0; r < span.rows; r += count) {
    const std::int64_t slot = (span.past + r) % kBlockTokens;
    count = std::min<std::int64_t>(kBlockTokens - slot, span.rows - r);
    for (std::int64_t head = 0; head < kv.heads; ++head) {
      const std::int64_t at = (span.first_row + r) * stride + head * kv.head_dim;
      write_run<T>(kv, {keys + at, values + at, stride, slot, count}, head,
                   span.blocks[(span.past + r) / kBlockTokens]);
    }
  }
}

void write_span(const KvSlice& kv, const AttentionSpan& span, const float* keys, const float* values,
                std::int64_t stride) {
  switch (kv.dtype) {
    case DType::bf16: return write_rows<std::uint16_t>(kv, span, keys, values, stride);
    case DType::i8: return write_rows<std::int8_t>(kv, span, keys, values, stride);
    default: return write_rows<float>(kv, span, keys, values, stride);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {

HWY_EXPORT(write_span);

void write_kv(const KvSlice& kv, const AttentionSpan& span, const float* keys, const float* values,
              std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(write_span)(kv, span, keys, values, stride);
}

}  // namespace attend
#endif
