// A request while the scheduler works on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/generation/length_limits.h"
#include "runtime/scheduler/block_pool.h"
#include "runtime/scheduler/request.h"
#include "runtime/scheduler/search_state.h"

namespace attend {

// The cache of one running sequence: its blocks in every cache group, and how many tokens they hold.
struct CachedSequence {
  std::vector<BlockList> groups;
  std::int32_t cached = 0;
  std::int32_t rotated_as = 0;  // see SequenceSpan
  // Full blocks that the prefix cache knows, and its name of the last one.
  std::int32_t remembered = 0;
  std::uint64_t last_remembered = 0;
};

struct ActiveRequest {
  ScheduledRequest request;
  LengthLimits limits;
  std::unique_ptr<SearchState> search;  // kept when the request is preempted: only its cache is lost
  std::vector<CachedSequence> sequences;
  std::optional<BlockList> cross;

  // The rows of the current step.
  std::int32_t first_row = 0, rows = 0;
  std::int32_t first_sampled = 0, sampled = 0;
  std::int32_t first_sequence = 0, step_sequences = 0;

  bool first_step = true;
  // Steady clock, in seconds.
  double submitted = 0, started = 0, encoded = 0;

  std::int32_t remaining(std::size_t i) const {
    return static_cast<std::int32_t>(search->sequence(static_cast<int>(i)).size()) - sequences[i].cached;
  }
  void drop_cache() {
    sequences.clear();
    cross.reset();
  }
};

}  // namespace attend
