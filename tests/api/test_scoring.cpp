// Log-probabilities of a given text, against transformers' logits; and of generated tokens, the likeliest
// ones.
#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cmath>
#include <random>
#include <thread>

#include "attend/attend.h"
#include "loaders/load_model.h"
#include "runtime/scheduler/scheduler.h"
#include "tests/api/golden_model.h"

namespace attend {
namespace {

// log softmax(logits[t])[ids[t + 1]] of logits [T, V], in double precision.
std::vector<double> expected_logprobs(const std::vector<float>& logits,
                                      const std::vector<std::int32_t>& ids) {
  const std::size_t vocab = logits.size() / ids.size();
  std::vector<double> logprobs;
  for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
    const float* row = logits.data() + t * vocab;
    double sum = 0;
    for (std::size_t v = 0; v < vocab; ++v) sum += std::exp(static_cast<double>(row[v]));
    logprobs.push_back(static_cast<double>(row[ids[t + 1]]) - std::log(sum));
  }
  return logprobs;
}

Request scoring(const std::vector<std::int32_t>& ids) {
  Request request;
  request.input.ids = ids;
  request.score = true;
  return request;
}

std::vector<ScheduledRequest> random_requests(const ModelDef& def, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int32_t>(random() % static_cast<unsigned>(n));
  };
  std::vector<ScheduledRequest> requests;
  for (int i = 0; i < 24; ++i) {
    ScheduledRequest request;
    for (int n = 2 + below(55); n > 0; --n) request.input_ids.push_back(below(def.vocab_size));
    request.config = def.generation;
    if (i % 2 == 1) {
      request.input_ids.resize(std::min<std::size_t>(request.input_ids.size(), 12));
      request.config.max_new_tokens = 10 + below(20);
    } else {
      request.mode = ScheduledRequest::Mode::score;
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

struct Scored {
  std::vector<std::vector<std::int32_t>> ids;
  std::vector<std::vector<float>> logprobs;
  bool operator==(const Scored&) const = default;
};

Scored run_all(const std::shared_ptr<const CompiledModel>& model,
               const std::vector<ScheduledRequest>& requests, const SchedulerOptions& options,
               SchedulerStats* stats = nullptr) {
  Scored scored{std::vector<std::vector<std::int32_t>>(requests.size()),
                std::vector<std::vector<float>>(requests.size())};
  std::atomic<std::size_t> left = requests.size();
  Scheduler scheduler(model, options);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ScheduledRequest request = requests[i];
    request.cancelled = std::make_shared<std::atomic<bool>>(false);
    request.on_done = [&, i](Outcome outcome) {
      if (!outcome.error) {
        scored.ids[i] = outcome.sequences.front().ids;
        scored.logprobs[i] = outcome.sequences.front().logprobs;
      }
      --left;
    };
    scheduler.submit(std::move(request));
  }
  while (left > 0) std::this_thread::yield();
  if (stats != nullptr) *stats = scheduler.stats();
  return scored;
}

}  // namespace

TEST_CASE("a text is scored as transformers' logits score it", "[golden]") {
  const std::string name = GENERATE_REF(from_range(test::decoder_goldens()));
  INFO(name);
  const test::Golden golden(name);
  const Model model = Model::load(golden.directory, {.threads = 2});
  for (std::size_t input = 0; input < golden.inputs().size(); ++input) {
    const std::vector<std::int32_t> ids = golden.inputs()[input];
    if (ids.size() < 2) continue;
    const std::vector<double> expected =
        expected_logprobs(golden.value(std::to_string(input) + "/logits"), ids);
    const Result result = model.run(scoring(ids));
    REQUIRE(result.scored);
    CHECK(result.sequences.empty());
    CHECK(result.scored->ids == ids);
    REQUIRE(result.scored->token_logprobs.size() == expected.size());
    double sum = 0;
    for (std::size_t t = 0; t < expected.size(); ++t) {
      CHECK(std::abs(static_cast<double>(result.scored->token_logprobs[t]) - expected[t]) < 2e-4);
      sum += expected[t];
    }
    CHECK(std::abs(result.scored->score - sum) < 1e-3);
    const double perplexity = std::exp(-sum / static_cast<double>(expected.size()));
    CHECK(std::abs(result.scored->perplexity / perplexity - 1) < 1e-3);
  }
}

TEST_CASE("a score depends on the text alone: batch, chunks, preemption", "[invariants]") {
  const std::string name = GENERATE(as<std::string>(), "llama-tiny", "mistral-tiny", "phi3-tiny-longrope");
  INFO(name);
  LoadedModel loaded = load_model(test::goldens() / name);
  const auto model = std::make_shared<const CompiledModel>(std::move(loaded.def), *loaded.weights);
  const std::vector<ScheduledRequest> requests = random_requests(model->def(), 3);
  const Scored alone = run_all(model, requests, {.threads = 1, .max_requests = 1});
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].mode != ScheduledRequest::Mode::score) continue;
    CHECK(alone.logprobs[i].size() + 1 == requests[i].input_ids.size());
  }
  CHECK(run_all(model, requests, {.threads = 2, .max_requests = 40}) == alone);
  CHECK(run_all(model, requests, {.threads = 1, .max_requests = 7, .prefill_tokens = 3}) == alone);
  std::uint64_t block_bytes = 0;
  for (const CacheGroup& group : model->cache().self)
    block_bytes += static_cast<std::uint64_t>(group.block_bytes) + 128;
  SchedulerStats stats;
  CHECK(run_all(model, requests,
                {.threads = 2, .cache_bytes = 5 * block_bytes, .max_requests = 40, .prefill_tokens = 21},
                &stats) == alone);
  CHECK(stats.preemptions > 0);
}

TEST_CASE("what cannot be scored is refused by name") {
  const Model model = Model::load(test::goldens() / "llama-tiny", {.threads = 1});
  const auto kind_of = [](const Model& scored_by, const std::vector<std::int32_t>& ids) {
    const Result result = scored_by.submit(scoring(ids)).wait();
    return result.error ? result.error->kind() : std::string();
  };
  CHECK(kind_of(model, {5}) == "INPUT_TOO_SHORT");
  CHECK(kind_of(model, {5, 64}) == "TOKEN_ID_RANGE");
  CHECK(kind_of(model, std::vector<std::int32_t>(65, 5)) == "INPUT_TOO_LONG");
  CHECK(kind_of(model, {5, 6}).empty());
  const Model marian = Model::load(test::goldens() / "marian-tiny", {.threads = 1});
  CHECK(kind_of(marian, {5, 6}) == "TASK_UNSUPPORTED");
}

TEST_CASE("the likeliest tokens stand beside each generated one, in greedy and in beam search") {
  const Model model = Model::load(test::goldens() / "llama-tiny", {.threads = 1});
  const std::int32_t beams = GENERATE(1, 3);
  GenerationConfig config = model.generation();
  config.num_beams = beams;
  config.num_return_sequences = beams;
  config.max_new_tokens = 12;
  config.logprobs = true;
  config.top_logprobs = 3;
  Request request;
  request.input.ids = {13, 57, 60};
  request.generation = config;
  const Result result = model.run(std::move(request));
  for (const GeneratedSequence& sequence : result.sequences) {
    REQUIRE(sequence.top_logprobs.size() == sequence.output_ids.size());
    // Scoring the whole gives the same numbers, and each list the tokens that could have scored best.
    std::vector<std::int32_t> whole = {13, 57, 60};
    whole.insert(whole.end(), sequence.output_ids.begin(), sequence.output_ids.end());
    const TextScore scored = model.run(scoring(whole)).scored.value();
    for (std::size_t t = 0; t < sequence.output_ids.size(); ++t) {
      const std::vector<TokenLogprob>& top = sequence.top_logprobs[t];
      REQUIRE(top.size() == 3);
      CHECK(top[0].logprob >= top[1].logprob);
      CHECK(top[1].logprob >= top[2].logprob);
      CHECK(std::abs(sequence.logprobs[t] - scored.token_logprobs[t + 2]) < 1e-5F);
      const auto chosen = std::find_if(top.begin(), top.end(), [&](const TokenLogprob& token) {
        return token.id == sequence.output_ids[t];
      });
      if (beams == 1) CHECK(chosen == top.begin());
      if (chosen != top.end()) {
        CHECK(chosen->logprob == sequence.logprobs[t]);
      } else {
        CHECK(sequence.logprobs[t] <= top[2].logprob);
      }
    }
  }
}

}  // namespace attend
