// A request while the scheduler works on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/plan/executor.h"
#include "runtime/generation/length_limits.h"
#include "runtime/scheduler/batch.h"
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

// Rows that may still join a step, beside those of sequences that decode.
struct StepBudget {
  std::int32_t prefill = 0;  // of prompts
  std::int32_t scored =
      0;  // of these, rows of texts that are scored: each has logits of the whole vocabulary
};

struct ActiveRequest {
  ScheduledRequest request;
  LengthLimits limits;
  std::unique_ptr<SearchState> search;  // kept when the request is preempted: only its cache is lost
  std::vector<CachedSequence> sequences;
  std::vector<CachedSequence> spare;  // empty ones, whose tables the next forks use
  std::optional<BlockList> cross;

  // The rows of the current step.
  std::int32_t first_row = 0, rows = 0;
  std::int32_t first_sampled = 0, sampled = 0;
  std::int32_t first_sequence = 0, step_sequences = 0;

  std::int32_t scored = 0;  // tokens of a text that is scored whose logits were taken, whatever is cached

  bool first_step = true;
  // Steady clock, in seconds.
  double submitted = 0, started = 0, encoded = 0;

  std::int32_t remaining(std::size_t i) const {
    return static_cast<std::int32_t>(search->sequence(static_cast<int>(i)).size()) - sequences[i].cached;
  }
  void drop_cache() {
    sequences.clear();
    spare.clear();
    cross.reset();
  }

  // Ends the request: gives its cache back and calls on_done.
  void finish(Outcome outcome);
  void fail(Error error);

  // Where the request's rows of one kind are in the step's: the first and their number.
  std::pair<std::int64_t, std::int64_t> rows_of(Rows kind) const;
  // Rows of each sequence in this step. A request whose sequences all lack one token decodes; otherwise its
  // sequences catch up in chunks, but for the last token of each, which all take in the same step.
  // Takes what it may of the rows that are left.
  std::span<const std::int32_t> rows_of_step(StepBudget& left);
  // Adds these rows, for which the cache has room, to the step.
  void add_rows(Batch& batch, std::span<const std::int32_t> counts);
  // New sequences take over the cache of those they continue; the last heir takes it, the others share it.
  void follow(std::span<const BeamMove> moves);
  // Streams the token that this step chose.
  void emit(std::span<const BeamMove> moves) const;
  // Hands the request's rows of a node's value to on_node.
  void report(const NodeView& view) const;

 private:
  CachedSequence fork(const CachedSequence& parent);

  // Memory of one step.
  std::vector<std::int32_t> counts_;
  std::vector<int> heirs_;
  std::vector<CachedSequence> next_;
};

}  // namespace attend
