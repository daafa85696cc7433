// What the other threads of a parallel region do, for traces.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/profiler/profiler.h"

namespace attend {

// Intervals of the threads of a team beside the one that opens its regions, which has its steps to show.
class WorkerSpans {
 public:
  struct Span {
    double begin_seconds = 0;  // steady clock
    double end_seconds = 0;
  };

  // Numbers of a team's threads go from 0 to `threads` - 1.
  explicit WorkerSpans(int threads) : lanes_(static_cast<std::size_t>(std::max(threads, 1))) {}

  // By that thread alone. More than kMostSpans are dropped.
  void add(int thread, double begin_seconds, double end_seconds) {
    if (thread >= threads()) return;
    std::vector<Span>& spans = lanes_[static_cast<std::size_t>(thread)].spans;
    if (spans.size() < kMostSpans) spans.push_back({begin_seconds, end_seconds});
  }

  int threads() const { return static_cast<int>(lanes_.size()); }
  const std::vector<Span>& spans(int thread) const { return lanes_[static_cast<std::size_t>(thread)].spans; }

  // Where the regions that this thread opens are recorded; null: nowhere.
  static WorkerSpans*& current() {
    thread_local WorkerSpans* spans = nullptr;
    return spans;
  }

 private:
  static constexpr std::size_t kMostSpans = std::size_t{1} << 20;
  struct alignas(64) Lane {
    std::vector<Span> spans;
  };
  std::vector<Lane> lanes_;
};

// Its own lifetime, in a parallel region. A null `spans` records nothing.
class WorkerTimer {
 public:
  explicit WorkerTimer(WorkerSpans* spans)
      : spans_(spans),
        thread_(spans == nullptr ? 0 : omp_get_thread_num()),
        begin_(thread_ > 0 ? Profiler::now() : 0) {}
  ~WorkerTimer() {
    if (thread_ > 0) spans_->add(thread_, begin_, Profiler::now());
  }
  WorkerTimer(const WorkerTimer&) = delete;
  WorkerTimer& operator=(const WorkerTimer&) = delete;

 private:
  WorkerSpans* spans_;
  int thread_;
  double begin_;
};

// body(i) for each i below `count`: in equal parts on all threads, or here when it is not worth it.
template <typename Body>
void parallel_for(std::int64_t count, bool worth_it, const Body& body) {
  if (!worth_it) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  WorkerSpans* const spans = WorkerSpans::current();
#pragma omp parallel
  {
    const WorkerTimer timer(spans);
#pragma omp for schedule(static) nowait
    for (std::int64_t i = 0; i < count; ++i) body(i);
  }
}

}  // namespace attend
