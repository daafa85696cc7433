// The sampled rows of a step, handed to the searches that wait for them.
#pragma once

#include <deque>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "engine/plan/executor.h"
#include "runtime/scheduler/active_request.h"

namespace attend {

struct FailedRow {
  std::size_t request = 0;  // index of the request
  std::exception_ptr error;
};

// Scores every sampled row with its logits, rows in parallel; `scratch` has one for each thread. Returns at
// most one failure per request.
std::vector<FailedRow> score_rows(const std::deque<std::unique_ptr<ActiveRequest>>& requests,
                                  const OutputView& logits, std::span<SamplerScratch> scratch);

}  // namespace attend
