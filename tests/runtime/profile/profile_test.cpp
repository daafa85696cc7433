// Accounting for time: intervals against the scheduler's, rows of the table, marks of reference kernels.
#include "attend/profile.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/profile/recorder.h"

namespace attend {
namespace {

using Catch::Matchers::WithinRel;

TEST_CASE("callers' time counts where the scheduler waits, each moment once") {
  const std::vector<Interval> busy{{2, 4}, {6, 8}};
  CHECK(seconds_outside({}, busy, {0, 10}) == 0);
  CHECK(seconds_outside({{0, 1}}, busy, {0, 10}) == 1);
  CHECK(seconds_outside({{2.5, 3.5}}, busy, {0, 10}) == 0);        // while it is busy
  CHECK(seconds_outside({{1, 3}}, busy, {0, 10}) == 1);            // until it begins
  CHECK(seconds_outside({{3, 7}}, busy, {0, 10}) == 2);            // between
  CHECK(seconds_outside({{0, 10}}, busy, {0, 10}) == 6);           // around both
  CHECK(seconds_outside({{0, 10}, {0, 10}}, busy, {0, 10}) == 6);  // two threads at once
  CHECK(seconds_outside({{5, 6}, {0, 1}, {0.5, 5.5}}, busy, {0, 10}) == 4);
  CHECK(seconds_outside({{0, 10}}, busy, {1, 9}) == 4);  // cut to the profile
  CHECK(seconds_outside({{0, 10}}, {}, {0, 10}) == 10);
}

ProfileStep step(const std::string& phase, const std::string& node, const std::string& kind,
                 const std::string& name, double seconds, double flops = 0, double bytes = 0) {
  ProfileStep s;
  s.phase = phase;
  s.node = node;
  s.kind = kind;
  s.step = name;
  s.implementations = {"attend"};
  s.calls = 1;
  s.rows = 4;
  s.seconds = seconds;
  s.flops = flops;
  s.bytes = bytes;
  return s;
}

Profile example() {
  Profile profile;
  profile.steps = {step("prefill", "model.embed", "embedding", "gather", 0.5),
                   step("prefill", "model.layers.0.attn", "self_attention", "qkv", 1, 100, 10),
                   step("prefill", "model.layers.0.mlp", "feed_forward", "up", 2, 400, 10),
                   step("prefill", "model.layers.10.attn", "self_attention", "qkv", 3, 100, 60),
                   step("decode", "model.layers.0.attn", "self_attention", "qkv", 4, 1, 10)};
  profile.sections = {{"[scheduler]", 2, 0.25}, {"[other]", 0, 0.75}};
  profile.wall_seconds = 11.5;
  return profile;
}

std::vector<std::string> names(const std::vector<ProfileRow>& rows) {
  std::vector<std::string> list;
  for (const ProfileRow& row : rows) list.push_back(row.phase + "/" + row.name);
  return list;
}

TEST_CASE("rows of any grouping sum to the wall time") {
  const Profile profile = example();
  for (const auto grouping : {ProfileGrouping::layer, ProfileGrouping::kind, ProfileGrouping::none}) {
    const std::vector<ProfileRow> rows = profile_rows(profile, grouping);
    const double sum =
        std::accumulate(rows.begin(), rows.end(), 0.0,
                        [](double total, const ProfileRow& row) { return total + row.seconds; });
    CHECK_THAT(sum, WithinRel(profile.wall_seconds, 1e-12));
  }
  CHECK(names(profile_rows(profile, ProfileGrouping::layer)) ==
        std::vector<std::string>{"prefill/model.embed", "prefill/model.layers.0", "prefill/model.layers.10",
                                 "decode/model.layers.0", "/[scheduler]", "/[other]"});
  CHECK(names(profile_rows(profile, ProfileGrouping::kind)) ==
        std::vector<std::string>{"prefill/self_attention.qkv", "prefill/feed_forward.up",
                                 "prefill/embedding.gather", "decode/self_attention.qkv", "/[scheduler]",
                                 "/[other]"});
  CHECK(names(profile_rows(profile, ProfileGrouping::none))[0] == "prefill/model.layers.10.attn.qkv");
}

TEST_CASE("the roofline bounds each step by what it needs most of") {
  const std::vector<ProfileRow> rows =
      profile_rows(example(), ProfileGrouping::kind, {.flops_per_second = 200, .bytes_per_second = 20});
  const ProfileRow& qkv = rows[0];  // 0.5 of 1 s by compute or bandwidth, 3 of 3 s by bandwidth
  CHECK_THAT(qkv.ideal_seconds, WithinRel(3.5, 1e-12));
  CHECK(qkv.counted_seconds == 4);
  CHECK_FALSE(qkv.compute_bound);
  CHECK(rows[1].compute_bound);
  CHECK(rows[1].ideal_seconds == 2);
  CHECK(rows[2].counted_seconds == 0);  // its work is not counted
}

TEST_CASE("a reference implementation marks its row") {
  Profile profile = example();
  profile.steps[1].implementations = {"brgemm:avx512_core", "ref:any"};
  for (const ProfileRow& row : profile_rows(profile, ProfileGrouping::kind)) {
    CHECK(row.reference == (row.phase == "prefill" && row.name == "self_attention.qkv"));
  }
}

}  // namespace
}  // namespace attend
