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
  std::int64_t block_bytes = 0;
};

struct CacheLayout {
  std::vector<CacheGroup> self;   // by SequenceSpan::tables
  std::vector<CacheGroup> cross;  // at most one: CrossSpan::blocks
  std::vector<KvSlice> slices;    // per state
  std::vector<int> groups;        // per state: index into self, or 0 for cross

  DType dtype = DType::f32;

  // `elements`: f32, bf16 or i8.
  explicit CacheLayout(const std::vector<StateSpec>& states = {}, DType elements = DType::f32);

  // Bytes that a token takes in these groups.
  static std::uint64_t bytes_per_token(const std::vector<CacheGroup>& groups);
};

}  // namespace attend
