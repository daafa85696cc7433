// Profiles through the API: of every family, of several requests at once, while requests run.
#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "attend/attend.h"
#include "tests/api/golden_model.h"

namespace attend {
namespace {

using Catch::Matchers::WithinRel;

Request request_of(std::vector<std::int32_t> ids, int new_tokens = 0) {
  Request request;
  request.input.ids = std::move(ids);
  if (new_tokens > 0) {
    request.generation.emplace();
    request.generation->max_new_tokens = new_tokens;
    request.generation->min_new_tokens = new_tokens;
    request.generation->decoder_start_token_id = 2;
  }
  return request;
}

double row_sum(const Profile& profile) {
  double sum = 0;
  for (const ProfileRow& row : profile_rows(profile, ProfileGrouping::none)) {
    CHECK(row.seconds >= -1e-9);  // nothing is counted twice
    sum += row.seconds;
  }
  return sum;
}

double seconds_of(const Profile& profile, const std::string& section) {
  for (const ProfileSection& s : profile.sections) {
    if (s.name == section) return s.seconds;
  }
  FAIL("no section " << section);
  return 0;
}

std::set<std::string> phases(const Profile& profile) {
  std::set<std::string> found;
  for (const ProfileStep& step : profile.steps) found.insert(step.phase);
  return found;
}

}  // namespace

TEST_CASE("a profile of each family sums to the wall time", "[profile]") {
  struct Case {
    const char* name;
    int new_tokens;
    std::set<std::string> phases;
  };
  for (const Case& c :
       {Case{"bert-tiny", 0, {"encoder"}}, Case{"llama-tiny", 6, {"prefill", "decode"}},
        Case{"gpt2-tiny", 6, {"prefill", "decode"}}, Case{"marian-tiny", 6, {"encoder", "decode"}}}) {
    INFO(c.name);
    const Model model = Model::load(test::goldens() / c.name, {.threads = 2});
    const auto before = std::chrono::steady_clock::now();
    model.start_profile();
    model.run(request_of({5, 6, 7, 8}, c.new_tokens));
    const Profile profile = model.stop_profile();
    const double around = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    CHECK_THAT(row_sum(profile), WithinRel(profile.wall_seconds, 1e-9));
    CHECK(profile.wall_seconds <= around);
    CHECK(phases(profile) == c.phases);
    CHECK(seconds_of(profile, "[scheduler]") > 0);
    CHECK(seconds_of(profile, "[executor]") > 0);
    REQUIRE(profile.requests.size() == 1);
    CHECK(profile.requests[0].done);
    CHECK(profile.requests[0].input_tokens == 4);
    CHECK(profile.requests[0].output_tokens == c.new_tokens);
    for (const ProfileStep& step : profile.steps) {
      INFO(step.node << " " << step.step);
      CHECK(step.calls > 0);
      CHECK_FALSE(step.implementations.empty());
      for (const std::string& name : step.implementations) CHECK(name.find("ref") == std::string::npos);
    }
  }
}

TEST_CASE("passes count what was run: calls, rows, work", "[profile]") {
  const Model model = Model::load(test::goldens() / "llama-tiny", {.threads = 1});
  model.start_profile();
  model.run(request_of({5, 6, 7, 8, 9}, 4));
  const Profile profile = model.stop_profile();
  for (const ProfileStep& step : profile.steps) {
    if (step.kind != "self_attention") continue;
    INFO(step.phase << " " << step.node << " " << step.step);
    const bool prefill = step.phase == "prefill";
    CHECK(step.calls == (prefill ? 1 : 3));  // the first token comes out of the prompt's pass
    CHECK(step.rows == (prefill ? 5 : 3));
    // Heads 4 of 8: every row sees the keys up to itself; 2 operations each.
    const double pairs = prefill ? 1 + 2 + 3 + 4 + 5 : 6 + 7 + 8;
    if (step.step == "scores" || step.step == "mix") CHECK(step.flops == 2 * 4 * 8 * pairs);
    if (step.step == "softmax") CHECK(step.flops == 0);
    if (step.step == "out") CHECK(step.flops == 2.0 * 32 * 32 * static_cast<double>(step.rows));
  }
}

// Slices of one thread nest: none begins within another and ends after it.
void check_nesting(const Profile& profile, int thread) {
  std::vector<ProfileSlice> slices;
  for (const ProfileSlice& slice : profile.slices) {
    if (slice.thread == thread) slices.push_back(slice);
  }
  REQUIRE_FALSE(slices.empty());
  std::ranges::sort(slices, [](const ProfileSlice& a, const ProfileSlice& b) {
    return a.begin_seconds != b.begin_seconds ? a.begin_seconds < b.begin_seconds
                                              : a.end_seconds > b.end_seconds;
  });
  std::vector<double> open;
  for (const ProfileSlice& slice : slices) {
    while (!open.empty() && open.back() <= slice.begin_seconds) open.pop_back();
    if (!open.empty()) CHECK(slice.end_seconds <= open.back());
    open.push_back(slice.end_seconds);
  }
}

TEST_CASE("time of concurrent requests goes to each by its tokens", "[profile][concurrency]") {
  const Model model = Model::load(test::goldens() / "llama-tiny", {.threads = 2});
  model.run(request_of({5, 6}, 4));  // before the profile: not in it
  model.start_profile({.trace = true});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 3; ++i) model.run(request_of({5, 6, 7, 4 + t}, 8));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Profile profile = model.stop_profile();
  CHECK_THAT(row_sum(profile), WithinRel(profile.wall_seconds, 1e-9));
  REQUIRE(profile.requests.size() == 12);
  double shares = 0;
  for (std::size_t i = 0; i < profile.requests.size(); ++i) {
    const ProfileRequest& r = profile.requests[i];
    CHECK(r.number == static_cast<std::int64_t>(i));
    CHECK(r.done);
    CHECK(r.output_tokens == 8);
    CHECK(r.prefill_seconds > 0);
    CHECK(r.decode_seconds > 0);
    shares += r.compute_seconds();
  }
  double passes = seconds_of(profile, "[executor]") + seconds_of(profile, "[sampler]");
  for (const ProfileStep& step : profile.steps) passes += step.seconds;
  CHECK_THAT(shares, WithinRel(passes, 1e-6));

  CHECK(std::ranges::count_if(profile.slices, [](const ProfileSlice& s) { return s.submits; }) == 12);
  REQUIRE(profile.threads.size() == 2 + 4);
  for (int thread = 0; thread < 6; ++thread) check_nesting(profile, thread);
}

TEST_CASE("a trace has the workers' part in loops of one's own", "[profile]") {
  const Model model = Model::load(test::goldens() / "bert-tiny", {.threads = 2});
  Request request;
  request.input.ids = std::vector<std::int32_t>(40, 5);
  model.start_profile({.trace = true});
  // Enough of them for attention on more than one thread.
  for (const Result& result : model.run(std::vector<Request>(4, request))) REQUIRE_FALSE(result.error);
  const Profile profile = model.stop_profile();
  REQUIRE(profile.threads.size() == 3);
  CHECK(profile.threads[1] == "worker 1");
  std::map<std::string, int> seen;
  for (const ProfileSlice& slice : profile.slices) {
    if (slice.thread == 1) ++seen[profile.names[static_cast<std::size_t>(slice.name)]];
  }
  CHECK(seen["bert.encoder.layer.1.attention.output.dense.scores+softmax+mix"] >= 1);
  // oneDNN does not say what its threads do: they are taken to work from a product's begin to its end.
  for (const ProfileStep& step : profile.steps) {
    const bool own = step.implementations.at(0).starts_with("attend");
    CHECK((seen[step.node + "." + step.step + " (oneDNN)"] >= 1) == !own);
    if (!own) CHECK(seen[step.node + "." + step.step] == 0);
  }
}

TEST_CASE("a profile may be taken while requests run, one at a time", "[profile][concurrency]") {
  const Model model = Model::load(test::goldens() / "gpt2-tiny", {.threads = 1});
  CHECK_THROWS_AS(model.stop_profile(), Error);
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    while (!stop) model.run(request_of({5, 6, 7}, 10));
  });
  for (int i = 0; i < 20; ++i) {
    model.start_profile();
    CHECK_THROWS_AS(model.start_profile(), Error);
    if (i % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    const Profile profile = model.stop_profile();
    CHECK_THAT(row_sum(profile), WithinRel(profile.wall_seconds, 1e-9));
  }
  stop = true;
  worker.join();
}

TEST_CASE("a profile can be stopped from a request's callback", "[profile]") {
  const Model model = Model::load(test::goldens() / "gpt2-tiny", {.threads = 1});
  model.start_profile();
  Profile profile;
  model.submit(request_of({5, 6, 7}, 3), [&](const Result&) { profile = model.stop_profile(); }).wait();
  CHECK(profile.wall_seconds > 0);
  CHECK_THAT(row_sum(profile), WithinRel(profile.wall_seconds, 1e-9));
  model.run(request_of({5, 6}, 3));  // and the model goes on
  model.start_profile();
  CHECK(model.stop_profile().steps.empty());
}

// ATTEND_PROFILE_MODEL=DIR test_api "[profile-cost]": the time of 16 tokens with and without, alternately.
TEST_CASE("what profiling costs", "[.profile-cost]") {
  const char* directory = std::getenv("ATTEND_PROFILE_MODEL");
  if (directory == nullptr) SKIP("ATTEND_PROFILE_MODEL names no model");
  const Model model = Model::load(directory);
  const auto seconds = [&](int requests) {
    std::vector<Request> work;
    for (int i = 0; i < requests; ++i) {
      work.push_back(request_of({5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, 16));
      work.back().generation->decoder_start_token_id = model.generation().decoder_start_token_id;
    }
    const auto begin = std::chrono::steady_clock::now();
    for (const Result& result : model.run(std::move(work))) REQUIRE_FALSE(result.error);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  for (const int requests : {1, 16}) {
    double off = 1e9;
    double on = 1e9;
    for (int i = 0; i < 12; ++i) {
      off = std::min(off, seconds(requests));
      model.start_profile();
      on = std::min(on, seconds(requests));
      model.stop_profile();
    }
    std::printf("%d requests: off %.2f ms, on %.2f ms, %+.2f %%\n", requests, off * 1e3, on * 1e3,
                100 * (on / off - 1));
  }
}

}  // namespace attend
