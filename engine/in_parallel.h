// A loop over pieces of work on all OpenMP threads that may throw, and memory for the pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>

namespace attend {

// Calls `work(first, count)` for [0, total) in pieces of `step`, in no order. When several throw, the last
// exception is thrown on, after all others are done.
template <typename Work>
void in_parallel(std::int64_t total, std::int64_t step, const Work& work) {
  const std::int64_t pieces = (total + step - 1) / step;
  std::exception_ptr failure;
  std::mutex mutex;
#pragma omp parallel for schedule(dynamic) if (pieces > 1)
  for (std::int64_t i = 0; i < pieces; ++i) {
    try {
      work(i * step, std::min(step, total - i * step));
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// Uninitialised memory of the calling thread, which keeps it until it ends: pages that come anew from the
// system for every piece cost as much as what is done in them. `Use` tells apart what is needed at once.
template <typename Use>
std::byte* thread_scratch(std::size_t bytes) {
  thread_local std::unique_ptr<std::byte[]> memory;
  thread_local std::size_t size_bytes = 0;
  if (size_bytes < bytes) {
    memory.reset();
    memory = std::make_unique_for_overwrite<std::byte[]>(bytes);
    size_bytes = bytes;
  }
  return memory.get();
}

}  // namespace attend
