// A steady clock that is cheap to read: the steps of small models take few microseconds.
#pragma once

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include <chrono>
#include <cstdint>

namespace attend {

// The processor's counter, where the kernel keeps time by it: then it runs at one rate and is equal on all
// processors. Reading it takes a quarter of the time of std::chrono's clock.
struct CounterClock {
  bool usable = false;
  std::uint64_t begin_ticks = 0;
  double begin_seconds = 0;
  double seconds_per_tick = 0;

  // Of the process; its first call takes 10 ms to find the rate.
  static const CounterClock& get();
};

inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds, to be compared with each other alone.
inline double clock_seconds() {
#if defined(__x86_64__)
  const CounterClock& clock = CounterClock::get();
  if (clock.usable)
    return clock.begin_seconds + static_cast<double>(__rdtsc() - clock.begin_ticks) * clock.seconds_per_tick;
#endif
  return steady_seconds();
}

}  // namespace attend
