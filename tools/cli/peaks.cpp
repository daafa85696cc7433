#include "tools/cli/peaks.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tools/cli/peaks.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attend::cli::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Ten independent chains hide the latency of a multiply-add. Returns the operations done.
double multiply_add(std::size_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.999f);
  const auto term = hn::Set(d, 0.001f);
  const auto start = hn::Iota(d, *sink);  // chains that begin alike would be merged
  auto a0 = start, a1 = hn::Add(a0, term), a2 = hn::Add(a1, term), a3 = hn::Add(a2, term),
       a4 = hn::Add(a3, term);
  auto a5 = hn::Add(a4, term), a6 = hn::Add(a5, term), a7 = hn::Add(a6, term), a8 = hn::Add(a7, term);
  auto a9 = hn::Add(a8, term);
  for (std::size_t i = 0; i < rounds; ++i) {
    a0 = hn::MulAdd(a0, factor, term);
    a1 = hn::MulAdd(a1, factor, term);
    a2 = hn::MulAdd(a2, factor, term);
    a3 = hn::MulAdd(a3, factor, term);
    a4 = hn::MulAdd(a4, factor, term);
    a5 = hn::MulAdd(a5, factor, term);
    a6 = hn::MulAdd(a6, factor, term);
    a7 = hn::MulAdd(a7, factor, term);
    a8 = hn::MulAdd(a8, factor, term);
    a9 = hn::MulAdd(a9, factor, term);
  }
  a0 = hn::Add(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)), hn::Add(hn::Add(a4, a5), hn::Add(a6, a7)));
  *sink = hn::GetLane(hn::Add(a0, hn::Add(a8, a9)));
  return 2.0 * 10.0 * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

float read_all(const float* values, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (std::size_t i = 0; i + 4 * lanes <= count; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, values + i));
    s1 = hn::Add(s1, hn::LoadU(d, values + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, values + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, values + i + 3 * lanes));
  }
  return hn::GetLane(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
}

}  // namespace attend::cli::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend::cli {
namespace {

HWY_EXPORT(multiply_add);
HWY_EXPORT(read_all);

using Clock = std::chrono::steady_clock;

constexpr std::size_t kRounds = 20'000'000;
constexpr std::size_t kFloatsPerThread = std::size_t{48} << 20;  // 192 MB: beyond the caches
constexpr int kPasses = 4;

// Runs `work(thread)` on all threads at once, several times; returns the seconds of the fastest time.
double fastest_seconds(int threads, const std::function<void(int)>& work) {
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = Clock::now();
    std::vector<std::thread> workers;
    for (int t = 1; t < threads; ++t) workers.emplace_back(work, t);
    work(0);
    for (std::thread& worker : workers) worker.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (pass == 0 || seconds < best) best = seconds;
  }
  return best;
}

}  // namespace

MachinePeaks measure_peaks(int threads) {
  constexpr double kGiga = 1e9;
  const auto count = static_cast<std::size_t>(threads);
  MachinePeaks peaks;
  std::vector<double> operations(count);
  std::vector<float> sinks(count, 1.0f);
  const double flop_seconds = fastest_seconds(threads, [&](int t) {
    const auto i = static_cast<std::size_t>(t);
    operations[i] = HWY_DYNAMIC_DISPATCH(multiply_add)(kRounds, &sinks[i]);
  });
  for (double each : operations) peaks.gflops += each / flop_seconds / kGiga;

  const std::vector<float> memory(kFloatsPerThread * count, 1.0f);
  const double read_seconds = fastest_seconds(threads, [&](int t) {
    const auto i = static_cast<std::size_t>(t);
    sinks[i] = HWY_DYNAMIC_DISPATCH(read_all)(memory.data() + i * kFloatsPerThread, kFloatsPerThread);
  });
  peaks.gbs = static_cast<double>(memory.size() * sizeof(float)) / read_seconds / kGiga;
  static std::atomic<float> used;  // so that nothing above is optimised away
  for (float sink : sinks) used = used + sink;
  return peaks;
}

}  // namespace attend::cli
#endif  // HWY_ONCE
