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

// Its memory lasts from step to step.
class RowScorer {
 public:
  explicit RowScorer(int threads) : scratch_(static_cast<std::size_t>(threads)) {}

  // Scores every sampled row with its logits, rows in parallel. Returns at most one failure per request,
  // valid until the next call.
  std::span<const FailedRow> score(const std::deque<std::unique_ptr<ActiveRequest>>& requests,
                                   const OutputView& logits);

 private:
  struct Row {
    std::size_t request;
    int row;
    std::exception_ptr error;
  };

  std::vector<SamplerScratch> scratch_;  // per thread
  std::vector<Row> rows_;
  std::vector<FailedRow> failed_;
};

}  // namespace attend
