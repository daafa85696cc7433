// All cache memory of a scheduler: a pool of blocks per cache group under one budget, and the blocks that
// earlier prompts left for later ones.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/plan/compiled_model.h"
#include "runtime/scheduler/active_request.h"
#include "runtime/scheduler/block_pool.h"
#include "runtime/scheduler/prefix_cache.h"

namespace attend {

class CacheMemory {
 public:
  // At most `limit_bytes`, of these `prefix_bytes` for blocks of earlier prompts. Prefixes are shared by
  // decoder-only models: elsewhere the same tokens mean something else for every source.
  CacheMemory(const CompiledModel& model, std::uint64_t limit_bytes, std::uint64_t prefix_bytes);

  // Cache groups of the decoder.
  std::size_t groups() const { return self_.size(); }
  std::uint64_t limit_bytes() const { return budget_.limit_bytes; }
  std::uint64_t used_bytes() const { return budget_.used_bytes; }
  std::size_t blocks_in_use() const;

  // For so many tokens, before its tables have to grow.
  CachedSequence empty_sequence(std::int32_t rotated_as, std::int64_t tokens) const;
  // Room for the keys and values of `length` source tokens; true where the model has no such cache.
  bool reserve_cross(ActiveRequest& active, std::int32_t length);
  // Room for counts[i] more tokens of each sequence; false when memory ran out.
  bool reserve(ActiveRequest& active, std::span<const std::int32_t> counts);
  // Gives up memory that nothing in flight needs; false when there is none.
  bool evict() { return prefixes_ && prefixes_->evict(); }

  // Sequences that have nothing in the cache yet begin with what earlier requests left; returns how many
  // tokens that spares.
  std::int64_t share_prefixes(ActiveRequest& active);
  // Leaves a request's full blocks to later ones; `tokens` are those of its sequence.
  void remember_prefixes(ActiveRequest& active, std::span<const std::int32_t> tokens);

 private:
  std::span<const CacheGroup> layout_;
  MemoryBudget budget_;
  std::vector<std::unique_ptr<BlockPool>> self_;
  std::unique_ptr<BlockPool> cross_;
  std::optional<PrefixCache> prefixes_;
};

}  // namespace attend
