// Tasks for all OpenMP threads: each begins with those that it had the last time, and ends with what others
// have left.
#pragma once

#include <omp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "engine/profiler/worker_spans.h"

namespace attend {

// body(i) for each i below `count`, once, or here when it is not worth it. A thread takes its own equal part
// from the front, then from the parts of others. So what it computes stays near its core from one call to the
// next (tasks dealt out to whoever comes first cost a third of the throughput where cores share no cache),
// and a thread that has to share its core holds nobody up.
template <typename Body>
void parallel_tasks(std::int64_t count, bool worth_it, const Body& body) {
  if (!worth_it) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  struct alignas(64) Part {
    std::atomic<std::int64_t> next;
    std::int64_t end;
  };
  std::array<Part, 64> parts;
  const int n = std::min<int>(omp_get_max_threads(), static_cast<int>(parts.size()));
  for (int p = 0; p < n; ++p) {
    Part& part = parts[static_cast<std::size_t>(p)];
    part.next.store(p * count / n, std::memory_order_relaxed);
    part.end = (p + 1) * count / n;
  }
  WorkerSpans* const spans = WorkerSpans::current();
#pragma omp parallel
  {
    const WorkerTimer timer(spans);
    const int own = omp_get_thread_num();
    for (int k = 0; k < n; ++k) {
      Part& part = parts[static_cast<std::size_t>((own + k) % n)];
      for (;;) {
        const std::int64_t i = part.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= part.end) break;
        body(i);
      }
    }
  }
}

}  // namespace attend
