// What this machine can do at most, measured: the yardstick beside a model's own figures.
#pragma once

namespace attend::cli {

struct MachinePeaks {
  double gflops = 0;  // f32 multiply-adds in registers, two operations each
  double gbs = 0;     // reading memory that no cache holds, 1e9 bytes a second
};

// Takes about a second.
MachinePeaks measure_peaks(int threads);

}  // namespace attend::cli
