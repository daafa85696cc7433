#include "tools/cli/workload.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace attend::cli {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

Measurement measure(const Model& model, const std::vector<Input>& inputs, const GenerationConfig& generation,
                    std::size_t in_flight) {
  Measurement total;
  total.latencies_ms.resize(inputs.size());
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t running = 0;
  std::optional<Error> error;
  const auto start = Clock::now();
  std::vector<Ticket> tickets;
  tickets.reserve(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return running < in_flight; });
      if (error) break;
      ++running;
    }
    Request request;
    request.input = inputs[i];
    request.generation = generation;
    const auto submitted = Clock::now();
    tickets.push_back(model.submit(std::move(request), [&, i, submitted](const Result& result) {
      const std::scoped_lock lock(mutex);
      total.latencies_ms[i] = milliseconds_since(submitted);
      if (result.error && !error) error = result.error;
      total.input_tokens += result.timing.input_tokens;
      total.sequences += static_cast<std::int64_t>(result.sequences.size());
      for (const GeneratedSequence& sequence : result.sequences) {
        total.output_tokens += static_cast<std::int64_t>(sequence.output_ids.size());
      }
      --running;
      changed.notify_all();
    }));
  }
  for (Ticket& ticket : tickets) ticket.wait();
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return running == 0; });
  }
  total.seconds = milliseconds_since(start) / 1e3;
  if (error) throw *error;
  return total;
}

}  // namespace attend::cli
