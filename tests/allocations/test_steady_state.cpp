// In the steady state of decoding a step of the scheduler allocates nothing. This executable replaces the
// global operator new, and looks who called it.
#include <dlfcn.h>
#include <dnnl.h>
#include <execinfo.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/plan/compiled_model.h"
#include "loaders/load_model.h"
#include "runtime/scheduler/scheduler.h"

namespace {

std::atomic<bool> counting = false;
std::atomic<std::int64_t> own = 0;
std::atomic<std::int64_t> onednn = 0;

const void* module_of(const void* address) {
  Dl_info info{};
  return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

// oneDNN's library, not this program.
const void* onednn_module() {
  static const void* const module = module_of(reinterpret_cast<const void*>(&dnnl_primitive_execute));
  return module;
}

void count() {
  constexpr int kFrames = 6;  // an allocation of oneDNN's containers has the C++ library between
  std::array<void*, kFrames> frames{};
  const int depth = backtrace(frames.data(), kFrames);
  for (int i = 0; i < depth; ++i) {
    if (module_of(frames[static_cast<std::size_t>(i)]) != onednn_module()) continue;
    ++onednn;
    return;
  }
  if (std::getenv("ATTEND_TEST_TRACE") != nullptr) backtrace_symbols_fd(frames.data(), depth, 2);
  ++own;
}

void* allocate(std::size_t size, std::size_t alignment) {
  if (counting) {
    thread_local bool inside = false;
    if (!inside) {
      inside = true;
      count();
      inside = false;
    }
  }
  void* memory = nullptr;
  if (::posix_memalign(&memory, std::max(alignment, sizeof(void*)), std::max<std::size_t>(size, 1)) != 0)
    throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new[](std::size_t size) {
  return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace attend {
namespace {

struct Counts {
  std::int64_t own = 0;
  std::int64_t onednn = 0;
};

constexpr std::int32_t kNewTokens = 40;
constexpr std::size_t kFirstCounted = 10;
constexpr std::size_t kLastCounted = 36;

// Runs them together and counts what is allocated between two steps in the middle.
Counts run(Scheduler& scheduler, const std::vector<ScheduledRequest>& requests) {
  std::atomic<std::size_t> left = requests.size();
  std::atomic<int> failed = 0;
  std::atomic<bool> submitted = false;
  Counts begin, end;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ScheduledRequest request = requests[i];
    request.cancelled = std::make_shared<std::atomic<bool>>(false);
    // Called by the scheduler in every step, with the sequences of the first request.
    if (i == 0) {
      request.should_stop = [&, before = std::size_t{0}](std::span<const std::int32_t> ids) mutable {
        // All begin together, whatever else the machine does.
        while (!submitted) std::this_thread::yield();
        if (before == 0) before = ids.size();
        const std::size_t step = ids.size() - before;
        if (step == kFirstCounted && !counting) {
          begin = {own, onednn};
          counting = true;
        } else if (step == kLastCounted && counting) {
          counting = false;
          end = {own, onednn};
        }
        return false;
      };
    }
    request.on_done = [&](Outcome outcome) {
      failed += outcome.error ? 1 : 0;
      --left;
    };
    scheduler.submit(std::move(request));
  }
  submitted = true;
  while (left > 0) std::this_thread::yield();
  REQUIRE(failed == 0);
  REQUIRE_FALSE(counting);
  return {end.own - begin.own, end.onednn - begin.onednn};
}

std::vector<ScheduledRequest> work(const GenerationConfig& defaults, const std::string& search) {
  std::vector<ScheduledRequest> requests(3);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    // Sequences reach their block's end, and the next one, at the same step.
    requests[i].input_ids = {7, 9, static_cast<std::int32_t>(11 + i), 5};
    GenerationConfig& config = requests[i].config;
    config = defaults;
    config.num_beams = 1;
    config.max_new_tokens = config.min_new_tokens = kNewTokens;
    if (search == "sampling") {
      config.do_sample = true;
      config.top_k = 20;
      config.top_p = 0.9;
      config.min_p = 0.01;
      config.typical_p = 0.95;
      config.temperature = 0.8;
      config.repetition_penalty = 1.2;
      config.num_return_sequences = 2;
      config.seed = i;
    } else if (search == "beams") {
      config.num_beams = 4;
      config.no_repeat_ngram_size = 3;
    }
  }
  return requests;
}

}  // namespace

TEST_CASE("steps that decode allocate nothing", "[allocations]") {
  const std::string name = GENERATE(as<std::string>(), "llama-tiny", "gpt2-tiny", "gemma2-tiny",
                                    "llama-tiny-dynamic", "marian-tiny");
  const std::string search = GENERATE(as<std::string>(), "greedy", "sampling", "beams");
  const Precision precision = GENERATE(Precision::f32, Precision::int8);
  const DType cached = precision == Precision::f32 ? DType::f32 : DType::i8;
  INFO(name << ", " << search << ", cache of " << attend::name(cached));
  std::array<void*, 1> first{};
  REQUIRE(backtrace(first.data(), 1) == 1);  // allocates when it is called first
  if (onednn_module() == module_of(reinterpret_cast<const void*>(&run)))
    SKIP("oneDNN is part of this program: its allocations cannot be told from attend's");
  LoadedModel loaded = load_model(std::filesystem::path(ATTEND_SOURCE_DIR) / "tests" / "goldens" / name);
  const auto model =
      std::make_shared<const CompiledModel>(std::move(loaded.def), *loaded.weights, precision, cached);
  Scheduler scheduler(model, {.threads = 2});
  const std::vector<ScheduledRequest> requests = work(model->def().generation, search);
  // Buffers grow and primitives are made when something comes for the first time, and which thread samples
  // which row is chance: each has buffers of its own. After some runs all is there.
  constexpr int kMostRuns = 40;
  Counts counts = run(scheduler, requests);
  for (int i = 1; i < kMostRuns && counts.own > 0; ++i) counts = run(scheduler, requests);
  CHECK(counts.own == 0);
  // oneDNN copies the arguments of every execution into containers of its own: 8 allocations for each product
  // (3.2), which no interface of it avoids.
  constexpr std::int64_t kMostOfAProduct = 10;
  const auto products =
      std::ranges::count_if(model->steps(), [](const StepInfo& s) { return s.flops_per_row > 0; });
  INFO("oneDNN allocates " << counts.onednn << " times for " << products << " products");
  CHECK(counts.onednn <=
        kMostOfAProduct * products * static_cast<std::int64_t>(kLastCounted - kFirstCounted));
}

}  // namespace attend
