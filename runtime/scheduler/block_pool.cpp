#include "runtime/scheduler/block_pool.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "engine/plan/step_input.h"

namespace attend {
namespace {

constexpr std::size_t kHeaderBytes = 64;  // keeps blocks aligned to cache lines

}  // namespace

BlockPool::BlockPool(std::size_t block_bytes, MemoryBudget& budget)
    : block_bytes_(block_bytes), stride_((block_bytes + kHeaderBytes + 63) / 64 * 64), budget_(budget) {
  budget_.pools.push_back(this);
}

BlockPool::~BlockPool() {
  trim();
  std::erase(budget_.pools, this);
}

void BlockPool::trim() {
  for (std::byte* block : free_) std::free(block - kHeaderBytes);
  budget_.used_bytes -= free_.size() * stride_;
  free_.clear();
}

std::byte* BlockPool::allocate() {
  if (free_.empty()) {
    if (budget_.used_bytes + stride_ > budget_.limit_bytes) {
      for (BlockPool* pool : budget_.pools) pool->trim();
      if (budget_.used_bytes + stride_ > budget_.limit_bytes) return nullptr;
    }
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, stride_));
    if (memory == nullptr) return nullptr;
    budget_.used_bytes += stride_;
    free_.push_back(memory + kHeaderBytes);
    // All blocks may be free at once: giving one back allocates nothing.
    if (free_.capacity() <= in_use_ + 1) free_.reserve(2 * in_use_ + 64);
  }
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

BlockList& BlockList::operator=(BlockList&& other) noexcept {
  if (this != &other) {
    clear();
    pool_ = other.pool_;
    blocks_ = std::move(other.blocks_);
    other.blocks_.clear();
  }
  return *this;
}

void BlockList::share(const BlockList& other) {
  clear();
  blocks_.reserve(other.blocks_.capacity());
  for (std::byte* block : other.blocks_) append_shared(block);
}

void BlockList::expect(std::int64_t tokens) {
  blocks_.reserve(static_cast<std::size_t>((tokens + kBlockTokens - 1) / kBlockTokens));
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
  const auto end =
      std::min(blocks_.size(), static_cast<std::size_t>(std::max<std::int64_t>(first, 0) / kBlockTokens));
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
