#include "runtime/scheduler/score_rows.h"

#include <omp.h>

namespace attend {

std::vector<FailedRow> score_rows(const std::deque<std::unique_ptr<ActiveRequest>>& requests,
                                  const OutputView& logits, std::span<SamplerScratch> scratch) {
  struct Row {
    std::size_t request;
    int row;
    std::exception_ptr error;
  };
  std::vector<Row> rows;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    for (int i = 0; i < requests[r]->sampled; ++i) rows.push_back({r, i, nullptr});
  }
  const auto count = static_cast<std::int64_t>(rows.size());
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
  for (std::int64_t i = 0; i < count; ++i) {
    Row& row = rows[static_cast<std::size_t>(i)];
    try {
      requests[row.request]->search->score(
          row.row, {logits.data + i * logits.width, static_cast<std::size_t>(logits.width)},
          scratch[static_cast<std::size_t>(omp_get_thread_num())]);
    } catch (...) {
      row.error = std::current_exception();
    }
  }
  std::vector<FailedRow> failed;
  for (const Row& row : rows) {
    if (row.error != nullptr && (failed.empty() || failed.back().request != row.request))
      failed.push_back({row.request, row.error});
  }
  return failed;
}

}  // namespace attend
