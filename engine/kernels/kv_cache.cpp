#include "engine/kernels/kv_cache.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/kv_cache.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "engine/kernels/narrow-inl.h"
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

// One token of one head: its key becomes a column of `keys`, its value a row of `values`.
template <class T>
void write_row(const KvSlice& kv, const float* key, const float* value, std::int64_t slot, RowScale key_scale,
               RowScale value_scale, T* keys, T* values) {
  HWY_ALIGN float buffer[16];
  HWY_ALIGN T part[16];
  keys += slot;
  values += slot * kv.value_stride();
  for (std::int64_t j = 0; j < kv.head_dim; j += 16) {
    const std::int64_t count = std::min<std::int64_t>(16, kv.head_dim - j);
    convert(whole(key + j, count, buffer), key_scale.factor, part);
    for (std::int64_t i = 0; i < count; ++i) keys[(j + i) * kBlockTokens] = part[i];
    convert(whole(value + j, count, buffer), value_scale.factor, values + j);
  }
}

// Words of two elements of the key, and of two tokens' values.
void write_row(const KvSlice& kv, const float* key, const float* value, std::int64_t slot, RowScale, RowScale,
               std::uint16_t* keys, std::uint16_t* values) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> du16;
  HWY_ALIGN float buffer[16];
  HWY_ALIGN std::uint16_t part[16];
  auto* key_words = reinterpret_cast<std::uint32_t*>(keys) + slot;
  auto* value_words = reinterpret_cast<std::uint32_t*>(values) + slot / 2 * kv.value_stride();
  for (std::int64_t j = 0; j < kv.head_dim; j += 16) {
    const std::int64_t count = std::min<std::int64_t>(16, kv.head_dim - j);
    convert(whole(key + j, count, buffer), 1.0F, part);
    for (std::int64_t i = 0; i < count; i += 2)
      std::memcpy(key_words + (j + i) / 2 * kBlockTokens, part + i, sizeof(std::uint32_t));
    convert(whole(value + j, count, buffer), 1.0F, part);
    for (std::int64_t i = 0; i < 16; i += kLanes) {
      std::uint32_t* to = value_words + j + i;
      auto words = hn::PromoteTo(du, hn::Load(du16, part + i));
      if (slot % 2 != 0)
        words = hn::Or(hn::ShiftLeft<16>(words), hn::And(hn::LoadU(du, to), hn::Set(du, 0xFFFFU)));
      hn::StoreU(words, du, to);
    }
  }
}

// One token of one head, in its slot of a block.
template <class T>
void write_slot(const KvSlice& kv, const float* key, const float* value, std::int64_t head, std::int64_t slot,
                std::byte* block) {
  RowScale key_scale, value_scale;
  if constexpr (sizeof(T) == 1) {
    key_scale = row_scale(D(), key, kv.head_dim, kLevels);
    value_scale = row_scale(D(), value, kv.head_dim, kLevels);
    reinterpret_cast<float*>(block + kv.key_scales_offset(head))[slot] = key_scale.scale;
    reinterpret_cast<float*>(block + kv.value_scales_offset(head))[slot] = value_scale.scale;
  }
  write_row(kv, key, value, slot, key_scale, value_scale, reinterpret_cast<T*>(block + kv.key_offset(head)),
            reinterpret_cast<T*>(block + kv.value_offset(head)));
}

template <class T>
void write_rows(const KvSlice& kv, const AttentionSpan& span, const float* keys, const float* values,
                std::int64_t stride) {
  // All tokens of a block for one head, then the next head: its columns of keys stay in the L1 cache.
  std::int64_t count = 0;
  for (std::int64_t r = 0; r < span.rows; r += count) {
    const std::int64_t slot = (span.past + r) % kBlockTokens;
    std::byte* block = span.blocks[(span.past + r) / kBlockTokens];
    count = std::min<std::int64_t>(kBlockTokens - slot, span.rows - r);
    for (std::int64_t head = 0; head < kv.heads; ++head) {
      const std::int64_t at = (span.first_row + r) * stride + head * kv.head_dim;
      for (std::int64_t i = 0; i < count; ++i)
        write_slot<T>(kv, keys + at + i * stride, values + at + i * stride, head, slot + i, block);
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
