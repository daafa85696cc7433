#include "engine/onednn/weight_memory.h"

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
  if (used_bytes_ + bytes > chunk_bytes_) {
    chunk_ = allocate(kChunkBytes);
    chunk_bytes_ = kChunkBytes;
    used_bytes_ = 0;
  }
  std::shared_ptr<std::byte> memory(chunk_, chunk_.get() + used_bytes_);
  used_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return memory;
}

}  // namespace attend
