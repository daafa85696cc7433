// Times the steps of nodes. Off, a step costs one branch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/profiler/clock.h"

namespace attend {

// A timed part of a node: "model.decoder.layers.3.self_attn" / "qkv". Ids are indices into the plan's table.
struct StepInfo {
  std::string node;
  std::string kind;  // of the node
  std::string step;
  std::string implementation;  // what runs it: oneDNN's name, or "attend"
  // Work that depends on the number of rows alone. Bytes count what has to be read and written at least once.
  double flops_per_row = 0;
  double bytes_per_row = 0;
  double bytes_per_call = 0;  // weights, whatever the number of rows
};

// Work that depends on more than the number of rows: attention over cached keys.
struct StepWork {
  double flops = 0;
  double bytes = 0;
};

// Totals per step of one or more executions, for each of several phases; used by one thread at a time, so it
// needs no locks.
class Profiler {
 public:
  struct Totals {
    std::int64_t calls = 0;
    std::int64_t rows = 0;
    double seconds = 0;
    StepWork extra;  // beyond what StepInfo knows
    // oneDNN's names of what ran, where they are known only then; owned by the executor.
    std::vector<const std::string*> implementations;
  };
  struct Event {
    int step = 0;
    double begin_seconds = 0;  // steady clock
    double end_seconds = 0;
  };

  explicit Profiler(std::size_t steps, int phases = 1, bool keep_events = false)
      : steps_(steps), totals_(steps * static_cast<std::size_t>(phases)), keep_events_(keep_events) {}

  // What is added from now on belongs to this phase.
  void set_phase(int phase) { first_ = steps_ * static_cast<std::size_t>(phase); }

  void add(int step, std::int64_t rows, double begin_seconds, double end_seconds,
           const StepWork& extra = {}) {
    Totals& totals = totals_[first_ + static_cast<std::size_t>(step)];
    ++totals.calls;
    totals.rows += rows;
    totals.seconds += end_seconds - begin_seconds;
    totals.extra.flops += extra.flops;
    totals.extra.bytes += extra.bytes;
    if (keep_events_ && events_.size() < kMostEvents) events_.push_back({step, begin_seconds, end_seconds});
    seconds_ += end_seconds - begin_seconds;
  }
  void ran_on(int step, const std::string& implementation) {
    auto& names = totals_[first_ + static_cast<std::size_t>(step)].implementations;
    if (!names.empty() && names.back() == &implementation) return;
    const auto same = [&](const std::string* name) { return *name == implementation; };
    if (std::none_of(names.begin(), names.end(), same)) names.push_back(&implementation);
  }

  const Totals& totals(int phase, int step) const {
    return totals_[steps_ * static_cast<std::size_t>(phase) + static_cast<std::size_t>(step)];
  }
  // Of all steps in all phases.
  double seconds() const { return seconds_; }
  const std::vector<Event>& events() const { return events_; }
  bool events_complete() const { return events_.size() < kMostEvents; }

  static double now() { return clock_seconds(); }

 private:
  static constexpr std::size_t kMostEvents = std::size_t{1} << 22;  // 100 MB

  std::size_t steps_;
  std::size_t first_ = 0;  // of the current phase
  std::vector<Totals> totals_;
  std::vector<Event> events_;
  double seconds_ = 0;
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
