#include "engine/onednn/weight_memory.h"

#include <algorithm>
#include <cstdint>

#include "attend/tensor.h"

namespace attend {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 25;  // what of it is never used costs no memory
constexpr std::size_t kLargeBytes = kChunkBytes / 4;
constexpr std::size_t kAlignment = 64;

std::shared_ptr<std::byte> allocate(std::size_t bytes) {
  const auto tensor = std::make_shared<Tensor>(DType::u8, Shape{static_cast<std::int64_t>(bytes)});
  return {tensor, tensor->bytes()};
}

}  // namespace

std::shared_ptr<std::byte> WeightMemory::take(std::size_t bytes) {
  if (bytes >= kLargeBytes) return allocate(bytes);
  auto chunk =
      std::ranges::find_if(chunks_, [&](const Chunk& c) { return c.used_bytes + bytes <= kChunkBytes; });
  if (chunk == chunks_.end()) chunk = chunks_.insert(chunks_.end(), Chunk{allocate(kChunkBytes)});
  std::shared_ptr<std::byte> memory(chunk->memory, chunk->memory.get() + chunk->used_bytes);
  chunk->used_bytes += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return memory;
}

}  // namespace attend
