// Continuous batching: requests of any lengths and options join and leave a running batch between steps.
//
// A step runs the decoder once over all sequences of all running requests (beams included), prompts in chunks
// beside sequences that decode (Yu et al. 2022, "Orca"; Agrawal et al. 2023, arXiv:2308.16369). Encoder
// passes of requests that are admitted together are packed into one. Results depend on a request alone.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/plan/compiled_model.h"
#include "runtime/generation/length_limits.h"
#include "runtime/scheduler/request.h"

namespace attend {

class ProfileRecorder;

struct SchedulerOptions {
  int threads = 1;
  // Cache memory; a request that does not fit waits, one that could never fit fails.
  std::uint64_t cache_bytes = std::uint64_t{1} << 30;
  // Of these, for blocks of earlier prompts that later ones may begin with; given up when memory is needed.
  std::uint64_t prefix_bytes = std::uint64_t{1} << 28;
  int max_requests = 64;                // running at once
  std::int32_t prefill_tokens = 512;    // rows of prompts per step, beside one row per decoding sequence
  std::int32_t encoder_tokens = 2048;   // rows of an encoder pass
  ProfileRecorder* recorder = nullptr;  // must outlive the scheduler; null: nothing is ever profiled
};

// Counters since the start, for tests and statistics.
struct SchedulerStats {
  std::int64_t steps = 0;
  std::int64_t encoder_passes = 0;
  std::int64_t decoder_rows = 0;
  std::int64_t preemptions = 0;
  std::int64_t shared_tokens = 0;  // taken over from earlier requests instead of computed
  std::uint64_t cache_bytes = 0;   // allocated
  std::size_t blocks_in_use = 0;
};

class Scheduler {
 public:
  Scheduler(std::shared_ptr<const CompiledModel> model, const SchedulerOptions& options);
  // Cancels what is not done.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Returns at once; on_done is called from the scheduler's thread, or from this one when the request is
  // refused.
  void submit(ScheduledRequest request);
  // Wakes the scheduler after a request's `cancelled` was set.
  void wake();
  SchedulerStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Throws what is wrong with a request: ids out of range, too long, options out of range.
void validate_request(const ModelDef& def, const ScheduledRequest& request);
// How long its sequences may get; throws when they could never begin.
LengthLimits length_limits(const ModelDef& def, const ScheduledRequest& request);

}  // namespace attend
