// Blocks of cache memory with reference counts, and the tables that sequences hold on them.
//
// After PagedAttention (Kwon et al. 2023, arXiv:2309.06180): a forked sequence shares its blocks, and a block
// is copied only when one of several holders writes to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace attend {

class BlockPool;

// Memory that all pools of a scheduler draw from. What one keeps in reserve goes to another that needs it.
struct MemoryBudget {
  std::uint64_t limit_bytes = 0;
  std::uint64_t used_bytes = 0;
  std::vector<BlockPool*> pools{};
};

// Blocks of one size. Used by the scheduler's thread only.
class BlockPool {
 public:
  BlockPool(std::size_t block_bytes, MemoryBudget& budget);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block held once, or null when the budget does not allow another.
  std::byte* allocate();
  static void share(std::byte* block) { ++references(block); }
  void release(std::byte* block);
  static bool shared(const std::byte* block) {
    return *(reinterpret_cast<const std::int64_t*>(block) - 1) > 1;
  }

  std::size_t block_bytes() const { return block_bytes_; }
  std::size_t blocks_in_use() const { return in_use_; }

 private:
  // The count stands right before the block.
  static std::int64_t& references(std::byte* block) { return *(reinterpret_cast<std::int64_t*>(block) - 1); }
  // Gives the blocks that nobody holds back to the machine.
  void trim();

  std::size_t block_bytes_;
  std::size_t stride_;
  MemoryBudget& budget_;
  std::vector<std::byte*> free_;
  std::size_t in_use_ = 0;
};

// One sequence's blocks of one cache group. Move-only; releases what it holds.
class BlockList {
 public:
  explicit BlockList(BlockPool& pool) : pool_(&pool) {}
  ~BlockList() { clear(); }
  BlockList(BlockList&& other) noexcept : pool_(other.pool_), blocks_(std::move(other.blocks_)) {
    other.blocks_.clear();
  }
  BlockList& operator=(BlockList&& other) noexcept;
  BlockList(const BlockList&) = delete;
  BlockList& operator=(const BlockList&) = delete;

  // The same blocks as another's of the same pool, in place of its own.
  void share(const BlockList& other);
  // So many tokens will be added without allocating memory for the table.
  void expect(std::int64_t tokens);
  // Adds a block that others hold too; null for one that a window has passed.
  void append_shared(std::byte* block);
  // Makes tokens [past, past + count) writable: blocks are added, and the one that `past` falls into is
  // copied when others hold it too. False when memory ran out; what was there is unchanged.
  bool reserve(std::int64_t past, std::int64_t count);
  // Gives back the blocks that hold only tokens before `first`; their entries become null.
  void drop_before(std::int64_t first);
  void clear();

  BlockPool& pool() const { return *pool_; }
  std::byte* const* data() const { return blocks_.data(); }
  std::size_t size() const { return blocks_.size(); }

 private:
  BlockPool* pool_;
  std::vector<std::byte*> blocks_;
};

}  // namespace attend
