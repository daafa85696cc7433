// Generation through the public API: recorded results of transformers, and the invariants that hold bit for
// bit whatever else runs, in which order, on how many threads, and with how little memory.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <map>
#include <random>
#include <thread>

#include "attend/attend.h"
#include "engine/plan/compiled_model.h"
#include "loaders/load_model.h"
#include "runtime/scheduler/scheduler.h"
#include "tests/api/golden_model.h"

namespace attend {
namespace {

GenerationConfig with_options(GenerationConfig config, const nlohmann::json& options) {
  for (const auto& [key, value] : options.items()) {
    if (key == "num_beams")
      config.num_beams = value;
    else if (key == "num_return_sequences")
      config.num_return_sequences = value;
    else if (key == "max_new_tokens")
      config.max_new_tokens = value.get<std::int32_t>();
    else if (key == "min_new_tokens")
      config.min_new_tokens = value.get<std::int32_t>();
    else if (key == "max_length")
      config.max_length = value;
    else if (key == "min_length")
      config.min_length = value;
    else if (key == "length_penalty")
      config.length_penalty = value;
    else if (key == "repetition_penalty")
      config.repetition_penalty = value;
    else if (key == "no_repeat_ngram_size")
      config.no_repeat_ngram_size = value;
    else if (key == "bad_words_ids")
      config.bad_words_ids = value.get<std::vector<std::vector<std::int32_t>>>();
    else if (key == "forced_bos_token_id")
      config.forced_bos_token_id = value.get<std::int32_t>();
    else if (key == "forced_eos_token_id")
      config.forced_eos_token_id = {value.get<std::int32_t>()};
    else if (key == "begin_suppress_tokens")
      config.begin_suppress_tokens = value.get<std::vector<std::int32_t>>();
    else if (key == "eos_token_id")
      config.eos_token_id = value.is_array() ? value.get<std::vector<std::int32_t>>()
                                             : std::vector<std::int32_t>{value.get<std::int32_t>()};
    else if (key == "renormalize_logits")
      config.renormalize_logits = value;
    else if (key == "suppress_tokens")
      config.suppress_tokens = value.get<std::vector<std::int32_t>>();
    else if (key == "early_stopping")
      config.early_stopping = value.is_string()   ? EarlyStopping::never
                              : value.get<bool>() ? EarlyStopping::yes
                                                  : EarlyStopping::no;
    else
      FAIL("the goldens use an option that this test does not know: " << key);
  }
  return config;
}

Request make_request(const std::vector<std::int32_t>& ids, const GenerationConfig& config) {
  Request request;
  request.input.ids = ids;
  request.generation = config;
  return request;
}

// Requests of many lengths and options, the same for a seed.
std::vector<ScheduledRequest> random_requests(const GenerationConfig& defaults, int count, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<std::int32_t>(random() % static_cast<unsigned>(n)); };
  std::vector<ScheduledRequest> requests;
  for (int i = 0; i < count; ++i) {
    ScheduledRequest request;
    for (int n = 1 + below(30); n > 0; --n) request.input_ids.push_back(1 + below(62));
    request.input_ids.push_back(0);
    request.config = defaults;
    request.config.num_beams = 1 + below(5);
    request.config.max_new_tokens = 1 + below(40);
    request.config.no_repeat_ngram_size = below(4);
    if (request.config.num_beams == 1 && below(2) == 0) {
      request.config.do_sample = true;
      request.config.seed = static_cast<std::uint64_t>(i);
      request.config.num_return_sequences = 1 + below(3);
    } else if (request.config.num_beams > 1) {
      request.config.num_return_sequences = 1 + below(request.config.num_beams);
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

using Sequences = std::vector<std::pair<std::vector<std::int32_t>, std::optional<float>>>;

class Bench {
 public:
  explicit Bench(const std::string& name = "marian-tiny", DType cached = DType::f32) {
    LoadedModel loaded = load_model(test::goldens() / name);
    model = std::make_shared<const CompiledModel>(std::move(loaded.def), *loaded.weights,
                                                  Precision::automatic, cached);
  }

  // Submits in the given order and returns the outcomes by request; `stats` gets the counters at the end.
  std::vector<Sequences> run(const std::vector<ScheduledRequest>& requests,
                             const std::vector<std::size_t>& order, const SchedulerOptions& options,
                             SchedulerStats* stats = nullptr) const {
    std::vector<Sequences> results(requests.size());
    std::atomic<std::size_t> left = requests.size();
    Scheduler scheduler(model, options);
    for (const std::size_t i : order) {
      ScheduledRequest request = requests[i];
      request.cancelled = std::make_shared<std::atomic<bool>>(false);
      request.on_done = [&, i](Outcome outcome) {
        for (SequenceResult& s : outcome.sequences) results[i].emplace_back(std::move(s.ids), s.score);
        if (outcome.error) results[i].emplace_back(std::vector<std::int32_t>{-1}, 0.0F);
        --left;
      };
      scheduler.submit(std::move(request));
    }
    while (left > 0) std::this_thread::yield();
    if (stats != nullptr) *stats = scheduler.stats();
    return results;
  }

  // Memory of `count` blocks of every cache group.
  std::uint64_t blocks(std::uint64_t count) const {
    std::uint64_t bytes = 0;
    for (const CacheGroup& group : model->cache().self)
      bytes += static_cast<std::uint64_t>(group.block_bytes) + 128;
    return count * bytes;
  }

  std::shared_ptr<const CompiledModel> model;
};

std::vector<std::size_t> in_order(std::size_t count) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < count; ++i) order.push_back(i);
  return order;
}

}  // namespace

TEST_CASE("greedy and beam search return what transformers returns", "[golden]") {
  std::vector<std::string> names = test::decoder_goldens();
  for (const char* marian : {"", "-old", "-old-zip", "-relu", "-gelu", "-separate", "-untied"}) {
    names.push_back(std::string("marian-tiny") + marian);
  }
  const std::string name = GENERATE_REF(from_range(names));
  const test::Golden golden(name);
  const Model model = Model::load(golden.directory, {.threads = 2});
  std::vector<Request> requests;
  for (const nlohmann::json& entry : golden.expected.at("generation")) {
    requests.push_back(make_request(golden.inputs().at(entry.at("input")),
                                    with_options(model.generation(), entry.at("options"))));
  }
  // All at once: whatever runs beside a request changes nothing.
  const std::vector<Result> results = model.run(std::move(requests));
  for (std::size_t i = 0; i < results.size(); ++i) {
    const nlohmann::json& entry = golden.expected.at("generation").at(i);
    INFO(name << " " << entry.dump());
    REQUIRE_FALSE(results[i].error);
    REQUIRE(results[i].sequences.size() == entry.at("results").size());
    for (std::size_t s = 0; s < results[i].sequences.size(); ++s) {
      const nlohmann::json& expected = entry.at("results").at(s);
      CHECK(results[i].sequences[s].output_ids == expected.at("output_ids").get<std::vector<std::int32_t>>());
      if (!expected.contains("score")) continue;
      REQUIRE(results[i].sequences[s].score);
      CHECK(std::abs(*results[i].sequences[s].score - expected.at("score").get<double>()) < 1e-4);
    }
  }
}

TEST_CASE("results depend on the request alone: batch, order, threads, memory", "[invariants]") {
  // Besides Marian: windows, two cache groups, and rotations that depend on the length.
  const std::string name = GENERATE(as<std::string>(), "marian-tiny", "mistral-tiny", "gemma2-tiny",
                                    "gpt2-tiny", "llama-tiny-dynamic", "phi3-tiny-longrope");
  const auto [seed, cached] = GENERATE(std::pair(1u, DType::f32), std::pair(2u, DType::f32),
                                       std::pair(3u, DType::bf16), std::pair(4u, DType::i8));
  INFO(name << ", cache of " << attend::name(cached));
  const Bench bench(name, cached);
  const auto requests = random_requests(bench.model->def().generation, 40, seed);
  const auto alone = bench.run(requests, in_order(requests.size()), {.threads = 1, .max_requests = 1});
  for (const Sequences& sequences : alone) REQUIRE(sequences.front().first != std::vector<std::int32_t>{-1});

  std::vector<std::size_t> shuffled = in_order(requests.size());
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(seed));
  CHECK(bench.run(requests, shuffled, {.threads = 2, .max_requests = 40}) == alone);
  CHECK(bench.run(requests, shuffled,
                  {.threads = 1, .max_requests = 7, .prefill_tokens = 3, .encoder_tokens = 40}) == alone);

  // So little cache that requests must give way to each other and start over.
  SchedulerStats stats;
  const std::uint64_t few =
      name == "mistral-tiny" || name == "phi3-tiny-longrope" ? 14 : 30;  // windows need less
  CHECK(bench.run(requests, shuffled,
                  {.threads = 2, .cache_bytes = bench.blocks(few), .max_requests = 40, .prefill_tokens = 5},
                  &stats) == alone);
  CHECK(stats.preemptions > 0);
}

TEST_CASE("a request that can never fit fails, the others are answered", "[scheduler]") {
  const Bench bench;
  auto requests = random_requests(bench.model->def().generation, 6, 9);
  for (ScheduledRequest& request : requests) {
    request.config = bench.model->def().generation;
    request.input_ids.resize(3, 5);
    request.config.max_new_tokens = 4;
    request.config.num_beams = 1;
  }
  requests[2].config.num_beams = 32;
  const auto results = bench.run(requests, in_order(6), {.threads = 1, .cache_bytes = bench.blocks(8)});
  for (std::size_t i = 0; i < results.size(); ++i) {
    INFO("request " << i);
    CHECK((results[i].front().first == std::vector<std::int32_t>{-1}) == (i == 2));
  }
}

TEST_CASE("bad requests are refused by name", "[scheduler]") {
  const Model model = Model::load(test::goldens() / "marian-tiny", {.threads = 1});
  const auto kind_of = [&](Request request) {
    const Result result = model.submit(std::move(request)).wait();
    return result.error ? result.error->kind() : std::string();
  };
  CHECK(kind_of(make_request({5, 64, 0}, model.generation())) == "TOKEN_ID_RANGE");
  CHECK(kind_of(make_request({-1}, model.generation())) == "TOKEN_ID_RANGE");
  CHECK(kind_of(make_request({}, model.generation())) == "INPUT_EMPTY");
  CHECK(kind_of(make_request(std::vector<std::int32_t>(65, 5), model.generation())) == "INPUT_TOO_LONG");
  GenerationConfig config = model.generation();
  config.num_beams = 0;
  CHECK(kind_of(make_request({5, 0}, config)) == "OPTION_RANGE");
  Request text;
  text.input.text = "no tokenizer here";
  CHECK(kind_of(std::move(text)) == "TOKENIZER_MISSING");
  // A wrong request leaves the model as it was.
  CHECK(kind_of(make_request({5, 0}, model.generation())).empty());
}

TEST_CASE("many threads submit, stream and cancel", "[concurrency]") {
  const Model model = Model::load(test::goldens() / "marian-tiny", {.threads = 1});
  GenerationConfig config = model.generation();
  config.num_beams = 1;
  config.min_new_tokens = config.max_new_tokens = 20;
  std::map<std::int32_t, std::vector<std::int32_t>> expected;
  for (std::int32_t id = 1; id <= 8; ++id) {
    expected[id] = model.run(make_request({id, 0}, config)).sequences.front().output_ids;
  }
  std::atomic<int> wrong = 0;
  std::atomic<int> cancelled = 0;
  std::vector<std::thread> threads;
  for (std::int32_t id = 1; id <= 8; ++id) {
    threads.emplace_back([&, id] {
      for (int round = 0; round < 6; ++round) {
        std::vector<std::int32_t> streamed;
        Request request = make_request({id, 0}, config);
        request.on_token = [&](const TokenEvent& event) { streamed.push_back(event.id); };
        Ticket ticket = model.submit(std::move(request));
        if (round % 3 == 2) ticket.cancel();
        const Result result = ticket.wait();
        if (result.error) {
          if (result.error->kind() == "CANCELLED" && round % 3 == 2)
            ++cancelled;
          else
            ++wrong;
        } else if (result.sequences.front().output_ids != expected.at(id) || streamed != expected.at(id)) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(cancelled <= 16);
}

}  // namespace attend
