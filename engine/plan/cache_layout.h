// Where each layer's keys and values lie in the blocks that the runtime allocates.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/kernels/attention.h"

namespace attend {

// States that share a block table: they see the same tokens and drop them at the same time.
struct CacheGroup {
  StateSpec::Kind kind = StateSpec::self;
  std::int64_t window = 0;
  std::int64_t block_floats = 0;

  std::int64_t block_bytes() const { return block_floats * 4; }
};

struct CacheLayout {
  std::vector<CacheGroup> self;   // by SequenceSpan::tables
  std::vector<CacheGroup> cross;  // at most one: CrossSpan::blocks
  std::vector<KvSlice> slices;    // per state
  std::vector<int> groups;        // per state: index into self, or 0 for cross

  explicit CacheLayout(const std::vector<StateSpec>& states = {});
};

}  // namespace attend
