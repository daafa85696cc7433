// Times the steps of nodes. Off, a step costs one branch.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace attend {

// A timed part of a node: "model.decoder.layers.3.self_attn" / "qkv". Ids are indices into the plan's table.
struct StepInfo {
  std::string node;
  std::string kind;  // of the node
  std::string step;
  std::string implementation;  // what runs it: oneDNN's name, or "attend:..."
  bool dense = false;          // counts towards compute and weight bandwidth
  double flops_per_row = 0;
  double bytes_fixed = 0;  // weights read whatever the number of rows
};

// Totals per step of one or more executions; owned by one executor, so it needs no locks.
class Profiler {
 public:
  struct Totals {
    std::int64_t calls = 0;
    std::int64_t rows = 0;
    double seconds = 0;
  };
  struct Event {
    int step = 0;
    double begin_seconds = 0;  // steady clock
    double end_seconds = 0;
  };

  explicit Profiler(std::size_t steps, bool keep_events = false)
      : totals_(steps), keep_events_(keep_events) {}

  void add(int step, std::int64_t rows, double begin_seconds, double end_seconds) {
    Totals& totals = totals_[static_cast<std::size_t>(step)];
    ++totals.calls;
    totals.rows += rows;
    totals.seconds += end_seconds - begin_seconds;
    if (keep_events_) events_.push_back({step, begin_seconds, end_seconds});
  }
  const std::vector<Totals>& totals() const { return totals_; }
  const std::vector<Event>& events() const { return events_; }

  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

 private:
  std::vector<Totals> totals_;
  std::vector<Event> events_;
  bool keep_events_;
};

// Times its own lifetime.
class StepTimer {
 public:
  StepTimer(Profiler* profiler, int step, std::int64_t rows)
      : profiler_(profiler), step_(step), rows_(rows), begin_(profiler == nullptr ? 0 : Profiler::now()) {}
  ~StepTimer() {
    if (profiler_ != nullptr) profiler_->add(step_, rows_, begin_, Profiler::now());
  }
  StepTimer(const StepTimer&) = delete;
  StepTimer& operator=(const StepTimer&) = delete;

 private:
  Profiler* profiler_;
  int step_;
  std::int64_t rows_;
  double begin_;
};

}  // namespace attend
