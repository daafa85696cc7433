// Maps have the same bits whatever else runs and however the scheduler cuts and repeats the work, and
// requests that ask for nothing are as they were.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "attend/attend.h"
#include "loaders/load_model.h"
#include "runtime/api/attention_layers.h"
#include "runtime/scheduler/scheduler.h"
#include "tests/api/golden_model.h"

namespace attend {
namespace {

using Ids = std::vector<std::int32_t>;

LoadOptions two_threads() {
  LoadOptions options;
  options.threads = 2;
  return options;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.bytes(), b.bytes(), a.size_bytes()) == 0;
}

TEST_CASE("maps have the same bits in a busy scheduler, after shared prefixes and in chunks",
          "[concurrency]") {
  const test::Golden golden("llama-tiny");
  Ids ids;
  for (int i = 0; i < 48; ++i) ids.push_back(3 + i * 7 % 58);
  AttentionRequest request;
  request.input.ids = ids;
  const Model alone = Model::load(golden.directory, two_threads());
  const AttentionResult expected = alone.attention(request);
  CHECK(expected.maps.front().weights.shape() == Shape{4, 48, 48});

  const Model busy = Model::load(golden.directory, two_threads());
  GenerationConfig config = busy.generation();
  config.max_new_tokens = 8;
  Request same;
  same.input.ids = ids;
  same.generation = config;
  const Ids generated = busy.run(Request(same)).sequences.front().output_ids;  // its prompt is remembered now
  std::vector<Ticket> tickets;
  for (int i = 0; i < 12; ++i) {
    Request other = same;
    other.input.ids->resize(static_cast<std::size_t>(5 + 3 * i));
    tickets.push_back(busy.submit(std::move(other)));
  }
  const AttentionResult found = busy.attention(request);
  for (Ticket& ticket : tickets) CHECK(!ticket.wait().error);
  for (std::size_t l = 0; l < expected.maps.size(); ++l)
    CHECK(same_bits(expected.maps[l].weights, found.maps[l].weights));
  // And the other way round: requests that ask for nothing are as they were, a masked one among them.
  Request masked = same;
  masked.head_scales = {{.layer = 0, .head = 1}};
  Ticket first = busy.submit(masked);
  CHECK(busy.run(Request(same)).sequences.front().output_ids == generated);
  CHECK(!first.wait().error);
  CHECK(busy.run(Request(same)).sequences.front().output_ids == generated);
}

// Prompts with a probe on every layer, behind `others` requests that generate: [layers, H, T, T] each.
std::vector<std::vector<float>> observed(const std::shared_ptr<const CompiledModel>& model,
                                         const std::vector<Ids>& prompts, const SchedulerOptions& options,
                                         int others = 0, SchedulerStats* stats = nullptr) {
  const LayerTable table(model->def(), {});
  std::vector<std::vector<float>> maps;
  std::vector<ScheduledRequest> requests;
  for (int i = 0; i < others; ++i) {
    ScheduledRequest& request = requests.emplace_back();
    request.input_ids = {5 + i, 6, 7, 8};
    request.config = model->def().generation;
    request.config.min_new_tokens = request.config.max_new_tokens = 40;
  }
  for (const Ids& prompt : prompts) {
    const auto tokens = static_cast<std::int64_t>(prompt.size());
    const auto heads = table.attributes(0).heads;
    const auto layers = static_cast<std::int64_t>(table.layers({}).size());
    maps.emplace_back(static_cast<std::size_t>(layers * heads * tokens * tokens));
    ScheduledRequest& request = requests.emplace_back();
    request.mode = ScheduledRequest::Mode::observe;
    request.input_ids = prompt;
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      request.decoder_hooks.probes.push_back(
          {.node = table.node(layer),
           .weights = {.heads = heads,
                       .weights = maps.back().data() + layer * heads * tokens * tokens,
                       .row_stride = tokens,
                       .head_stride = tokens * tokens}});
    }
  }
  std::atomic<std::size_t> left = requests.size();
  std::atomic<int> failed = 0;
  Scheduler scheduler(model, options);
  for (ScheduledRequest& request : requests) {
    request.on_done = [&](const Outcome& outcome) {
      failed += outcome.error ? 1 : 0;
      --left;
    };
    scheduler.submit(std::move(request));
  }
  while (left > 0) std::this_thread::yield();
  CHECK(failed == 0);
  if (stats != nullptr) *stats = scheduler.stats();
  return maps;
}

TEST_CASE("maps do not depend on chunks of the prompt, nor on requests that had to start over",
          "[invariants]") {
  const std::string name = GENERATE(as<std::string>(), "llama-tiny", "gpt2-tiny", "llama-tiny-dynamic");
  INFO(name);
  LoadedModel loaded = load_model(test::goldens() / name);
  const auto model = std::make_shared<const CompiledModel>(std::move(loaded.def), *loaded.weights);
  std::vector<Ids> prompts(2);
  for (int i = 0; i < 2; ++i) {
    for (int t = 0; t < 45 + i; ++t) prompts[static_cast<std::size_t>(i)].push_back(3 + (t * 7 + i) % 58);
  }
  const auto alone = observed(model, prompts, {.threads = 1, .max_requests = 1});
  CHECK(observed(model, prompts, {.threads = 2, .max_requests = 6, .prefill_tokens = 7}) == alone);
  // Those before it need a third block when most of the first prompt is done.
  std::uint64_t block_bytes = 0;
  for (const CacheGroup& group : model->cache().self)
    block_bytes += static_cast<std::uint64_t>(group.block_bytes) + 128;
  SchedulerStats stats;
  CHECK(observed(model, prompts,
                 {.threads = 2, .cache_bytes = 10 * block_bytes, .max_requests = 6, .prefill_tokens = 2}, 3,
                 &stats) == alone);
  CHECK(stats.preemptions > 0);
}

}  // namespace
}  // namespace attend
