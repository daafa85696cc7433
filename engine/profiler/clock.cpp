#include "engine/profiler/clock.h"

#include <fstream>
#include <string>
#include <thread>

namespace attend {
namespace {

#if defined(__x86_64__)

struct Reading {
  std::uint64_t ticks = 0;
  double seconds = 0;
};

// Of several, the one that was interrupted least between the two clocks.
Reading read_both() {
  Reading best;
  std::uint64_t shortest = UINT64_MAX;
  for (int i = 0; i < 16; ++i) {
    const std::uint64_t before = __rdtsc();
    const double seconds = steady_seconds();
    const std::uint64_t after = __rdtsc();
    if (after - before >= shortest) continue;
    shortest = after - before;
    best = {before + (after - before) / 2, seconds};
  }
  return best;
}

CounterClock measure() {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source;
  if (!(file >> source) || source != "tsc") return {};
  const Reading first = read_both();
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const Reading second = read_both();
  if (second.ticks <= first.ticks || second.seconds <= first.seconds) return {};
  return {true, first.ticks, first.seconds,
          (second.seconds - first.seconds) / static_cast<double>(second.ticks - first.ticks)};
}

#else

CounterClock measure() {
  return {};
}

#endif

}  // namespace

const CounterClock& CounterClock::get() {
  static const CounterClock clock = measure();
  return clock;
}

}  // namespace attend
