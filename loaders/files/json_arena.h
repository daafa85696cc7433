// Memory of a JsonDocument: blocks that only grow and are freed together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace attend {

class JsonArena {
 public:
  // Aligned for pointers and 64-bit integers; text may be packed with `alignment` 1.
  std::byte* allocate(std::size_t size_bytes, std::size_t alignment = alignof(std::uint64_t)) {
    const std::size_t padding = (alignment - used_ % alignment) % alignment;
    if (blocks_.empty() || size_bytes + padding > capacity_ - used_) {
      capacity_ = std::max(size_bytes, next_block_bytes_);
      next_block_bytes_ = std::min(next_block_bytes_ * 2, kMaxBlockBytes);
      blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(capacity_));
      used_ = size_bytes;
      return blocks_.back().get();
    }
    std::byte* out = blocks_.back().get() + used_ + padding;
    used_ += size_bytes + padding;
    return out;
  }

 private:
  static constexpr std::size_t kMaxBlockBytes = std::size_t{1} << 20;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::size_t next_block_bytes_ = 4096;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
};

}  // namespace attend
