#include "runtime/scheduler/block_pool.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "engine/plan/step_input.h"

namespace attend {
namespace {

constexpr std::size_t kHeaderBytes = 64;  // keeps blocks aligned to cache lines
constexpr std::size_t kSlabBytes = std::size_t{1} << 21;

}  // namespace

BlockPool::BlockPool(std::size_t block_bytes, MemoryBudget& budget)
    : block_bytes_(block_bytes), stride_((block_bytes + kHeaderBytes + 63) / 64 * 64), budget_(budget) {}

BlockPool::~BlockPool() {
  for (const Slab& slab : slabs_) std::free(slab.memory);
}

bool BlockPool::grow() {
  // At most a slab and a small part of what the budget still has, so that other pools get theirs; at least a
  // block.
  const std::uint64_t left = budget_.limit_bytes - std::min(budget_.limit_bytes, budget_.used_bytes);
  if (left < stride_) return false;
  const std::size_t count = std::max<std::size_t>(std::min<std::size_t>(kSlabBytes, left / 64) / stride_, 1);
  auto* slab = static_cast<std::byte*>(std::aligned_alloc(64, count * stride_));
  if (slab == nullptr) return false;
  slabs_.push_back({slab, count});
  budget_.used_bytes += count * stride_;
  for (std::size_t i = count; i-- > 0;) free_.push_back(slab + i * stride_ + kHeaderBytes);
  return true;
}

std::byte* BlockPool::allocate() {
  if (free_.empty() && !grow()) return nullptr;
  std::byte* block = free_.back();
  free_.pop_back();
  references(block) = 1;
  ++in_use_;
  return block;
}

void BlockPool::release(std::byte* block) {
  if (--references(block) > 0) return;
  free_.push_back(block);
  --in_use_;
}

bool BlockPool::trim() {
  std::sort(free_.begin(), free_.end());
  const std::size_t before = slabs_.size();
  std::erase_if(slabs_, [&](const Slab& slab) {
    const auto first = std::lower_bound(free_.begin(), free_.end(), slab.memory);
    const auto last = std::lower_bound(first, free_.end(), slab.memory + slab.blocks * stride_);
    if (static_cast<std::size_t>(last - first) != slab.blocks) return false;
    free_.erase(first, last);
    std::free(slab.memory);
    budget_.used_bytes -= slab.blocks * stride_;
    return true;
  });
  return slabs_.size() < before;
}

BlockList& BlockList::operator=(BlockList&& other) noexcept {
  if (this != &other) {
    clear();
    pool_ = other.pool_;
    blocks_ = std::move(other.blocks_);
    other.blocks_.clear();
  }
  return *this;
}

BlockList BlockList::fork() const {
  BlockList copy(*pool_);
  copy.blocks_ = blocks_;
  for (std::byte* block : copy.blocks_) {
    if (block != nullptr) BlockPool::share(block);
  }
  return copy;
}

void BlockList::append_shared(std::byte* block) {
  if (block != nullptr) BlockPool::share(block);
  blocks_.push_back(block);
}

bool BlockList::reserve(std::int64_t past, std::int64_t count) {
  const auto needed = static_cast<std::size_t>((past + count + kBlockTokens - 1) / kBlockTokens);
  const auto first = static_cast<std::size_t>(past / kBlockTokens);
  if (past % kBlockTokens != 0 && BlockPool::shared(blocks_[first])) {
    std::byte* own = pool_->allocate();
    if (own == nullptr) return false;
    std::memcpy(own, blocks_[first], pool_->block_bytes());
    pool_->release(blocks_[first]);
    blocks_[first] = own;
  }
  const std::size_t before = blocks_.size();
  while (blocks_.size() < needed) {
    std::byte* block = pool_->allocate();
    if (block == nullptr) {
      while (blocks_.size() > before) {
        pool_->release(blocks_.back());
        blocks_.pop_back();
      }
      return false;
    }
    blocks_.push_back(block);
  }
  return true;
}

void BlockList::drop_before(std::int64_t first) {
  const auto end = std::min(blocks_.size(), static_cast<std::size_t>(std::max<std::int64_t>(first, 0) / kBlockTokens));
  for (std::size_t i = end; i-- > 0 && blocks_[i] != nullptr;) {
    pool_->release(blocks_[i]);
    blocks_[i] = nullptr;
  }
}

void BlockList::clear() {
  for (std::byte* block : blocks_) {
    if (block != nullptr) pool_->release(block);
  }
  blocks_.clear();
}

}  // namespace attend
