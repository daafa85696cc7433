// Blocks of finished and running requests, kept for those that begin with the same tokens.
//
// A block's keys and values depend on its tokens and on all before them: blocks form a tree, and a request
// takes over the longest path that spells its prompt (as in vLLM, arXiv:2309.06180, and SGLang,
// arXiv:2312.07104). Rows are computed with the same bits whatever they run beside, so sharing changes no
// result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/plan/cache_layout.h"
#include "runtime/scheduler/active_request.h"
#include "runtime/scheduler/block_pool.h"

namespace attend {

class PrefixCache {
 public:
  // `pools` and `groups` by cache group; `limit_bytes` of blocks are kept at most. `max_tokens`: positions
  // from there on are not shared, because their rotation depends on the request; 0: no such limit.
  PrefixCache(std::span<const std::unique_ptr<BlockPool>> pools, std::span<const CacheGroup> groups,
              std::uint64_t limit_bytes, std::int64_t max_tokens);
  ~PrefixCache() { evict(entries_.size()); }
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Gives an empty sequence the blocks of the longest known beginning of `tokens`, at least one token less
  // than all; returns how many tokens that are.
  std::int32_t take(std::span<const std::int32_t> tokens, CachedSequence& sequence);
  // Remembers the full blocks of a sequence that holds `tokens` (the cached ones at least).
  void add(std::span<const std::int32_t> tokens, CachedSequence& sequence);
  // Forgets the blocks that were not used for the longest time, about an eighth; false when there are none.
  bool evict();

 private:
  struct Entry {
    std::uint64_t id = 0;
    std::uint64_t parent = 0;  // id of the block before; 0: none
    std::uint64_t hash = 0;
    std::vector<std::int32_t> tokens;
    std::vector<std::byte*> blocks;  // by group; null where a window has passed
  };
  using Entries = std::list<Entry>;  // the longest unused first

  Entries::iterator find(std::uint64_t parent, std::span<const std::int32_t> tokens, std::uint64_t hash);
  bool usable(std::span<const Entries::iterator> path) const;
  void evict(std::size_t count);
  void forget(Entries::iterator entry);

  std::span<const std::unique_ptr<BlockPool>> pools_;
  std::span<const CacheGroup> groups_;
  std::size_t limit_entries_ = 0;
  std::int64_t max_tokens_;
  std::uint64_t next_id_ = 1;
  Entries entries_;
  std::unordered_multimap<std::uint64_t, Entries::iterator> by_hash_;
};

}  // namespace attend
