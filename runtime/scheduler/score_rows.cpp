#include "runtime/scheduler/score_rows.h"

#include <omp.h>

#include "engine/profiler/worker_spans.h"

namespace attend {

std::span<const FailedRow> RowScorer::score(const std::deque<std::unique_ptr<ActiveRequest>>& requests,
                                            const OutputView& logits) {
  rows_.clear();
  for (std::size_t r = 0; r < requests.size(); ++r) {
    for (int i = 0; i < requests[r]->sampled; ++i) rows_.push_back({r, i, nullptr});
  }
  const auto count = static_cast<std::int64_t>(rows_.size());
  WorkerSpans* const workers = WorkerSpans::current();
#pragma omp parallel if (count > 1)
  {
    const WorkerTimer worker(workers);
#pragma omp for schedule(dynamic, 1) nowait
    for (std::int64_t i = 0; i < count; ++i) {
      Row& row = rows_[static_cast<std::size_t>(i)];
      try {
        requests[row.request]->search->score(
            row.row, {logits.data + i * logits.width, static_cast<std::size_t>(logits.width)},
            scratch_[static_cast<std::size_t>(omp_get_thread_num())]);
      } catch (...) {
        row.error = std::current_exception();
      }
    }
  }
  failed_.clear();
  for (const Row& row : rows_) {
    if (row.error != nullptr && (failed_.empty() || failed_.back().request != row.request))
      failed_.push_back({row.request, row.error});
  }
  return failed_;
}

}  // namespace attend
