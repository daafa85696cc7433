#include "runtime/generation/log_softmax_topk.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "hwy/targets.h"

namespace attend {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_row(std::size_t size, std::uint32_t seed, float scale = 4.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> row(size);
  for (float& x : row) x = normal(generator);
  return row;
}

double naive_log_sum_exp(const std::vector<float>& row) {
  const double max = *std::max_element(row.begin(), row.end());
  double sum = 0.0;
  for (const float x : row) sum += std::exp(double{x} - max);
  return max + std::log(sum);
}

std::vector<ScoredToken> naive_top_k(const std::vector<float>& row, std::size_t k, float offset) {
  std::vector<ScoredToken> all;
  for (std::size_t i = 0; i < row.size(); ++i) all.push_back({row[i] + offset, static_cast<std::int32_t>(i)});
  std::stable_sort(all.begin(), all.end());
  all.resize(std::min(k, all.size()));
  return all;
}

TEST_CASE("log-softmax equals a double-precision reference", "[generation]") {
  for (const std::size_t size : {1, 2, 31, 32, 33, 63, 1000, 2048, 2049, 58101, 256000}) {
    for (const float scale : {0.01f, 4.0f, 30.0f}) {
      const std::vector<float> row = random_row(size, static_cast<std::uint32_t>(size), scale);
      const double reference = naive_log_sum_exp(row);
      const LogSumExp norm = log_sum_exp(row);
      std::vector<float> log_probs(size);
      log_softmax(row, norm, log_probs);
      for (std::size_t i = 0; i < size; ++i) {
        const double expected = double{row[i]} - reference;
        REQUIRE(std::abs(log_probs[i] - expected) <= 1e-6 * std::max(1.0, std::abs(expected)));
        REQUIRE(log_probs[i] == norm.log_prob(row[i]));
      }
    }
  }
}

TEST_CASE("log-softmax of rows with infinities and NaN", "[generation]") {
  std::vector<float> row = random_row(100, 1);
  std::fill(row.begin() + 3, row.end(), -kInf);
  const LogSumExp norm = log_sum_exp(row);
  CHECK(std::abs(norm.max + norm.log_sum - naive_log_sum_exp(row)) < 1e-6);
  CHECK(norm.log_prob(row[5]) == -kInf);
  for (const float bad : {kNan, kInf}) {
    std::vector<float> broken = random_row(100, 2);
    broken[77] = bad;
    CHECK(std::isnan(log_sum_exp(broken).log_sum));
  }
  CHECK(std::isnan(log_sum_exp(std::vector<float>(40, -kInf)).log_sum));
}

TEST_CASE("argmax gives the first of equal scores, and NaN when there is one", "[generation]") {
  for (const std::size_t size : {1, 7, 32, 45, 64, 1000}) {
    std::vector<float> row = random_row(size, 3);
    const auto max = std::max_element(row.begin(), row.end());
    CHECK(argmax(row) == ScoredToken{*max, static_cast<std::int32_t>(max - row.begin())});
    row[size - 1] = 1e9f;
    CHECK(argmax(row).token == static_cast<std::int32_t>(size - 1));
    row[size / 2] = 1e9f;
    CHECK(argmax(row).token == static_cast<std::int32_t>(size / 2));
    row[size / 3] = kNan;
    CHECK(argmax(row).token == static_cast<std::int32_t>(size / 3));
    CHECK(std::isnan(argmax(row).score));
  }
  CHECK(argmax(std::vector<float>(70, -kInf)) == ScoredToken{-kInf, 0});
}

TEST_CASE("top-k equals sorting the row, also with equal scores", "[generation]") {
  std::vector<ScoredToken> best;
  for (const std::size_t size : {1, 5, 33, 64, 1000, 58101}) {
    for (const std::int32_t k : {1, 4, 8, 50, 2000}) {
      std::vector<float> row = random_row(size, static_cast<std::uint32_t>(k));
      top_k(row, k, -3.25f, best);
      REQUIRE(best == naive_top_k(row, static_cast<std::size_t>(k), -3.25f));
      for (float& x : row) x = std::round(x);
      top_k(row, k, 0.0f, best);
      REQUIRE(best == naive_top_k(row, static_cast<std::size_t>(k), 0.0f));
      // An offset this large makes nearly all sums equal.
      top_k(row, k, -1e9f, best);
      REQUIRE(best == naive_top_k(row, static_cast<std::size_t>(k), -1e9f));
      std::sort(row.begin(), row.end());
      top_k(row, k, 0.0f, best);
      REQUIRE(best == naive_top_k(row, static_cast<std::size_t>(k), 0.0f));
    }
  }
  top_k(std::vector<float>(5, 1.0f), 0, 0.0f, best);
  CHECK(best.empty());
}

TEST_CASE("top-k passes over NaN and fills up with -inf", "[generation]") {
  std::vector<float> row(100, -kInf);
  row[0] = row[50] = kNan;
  row[70] = 1.0f;
  std::vector<ScoredToken> best;
  top_k(row, 3, 0.0f, best);
  CHECK(best == std::vector<ScoredToken>{{1.0f, 70}, {-kInf, 0}, {-kInf, 1}});
}

TEST_CASE("every instruction set with fused multiply-add gives the same bits", "[generation]") {
  const std::vector<float> row = random_row(58101, 9);
  const LogSumExp expected = log_sum_exp(row);
  for (const std::int64_t target : {HWY_AVX2, HWY_AVX3, HWY_AVX3_DL}) {
    if ((hwy::SupportedTargets() & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    const LogSumExp norm = log_sum_exp(row);
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    CHECK(norm.max == expected.max);
    CHECK(norm.log_sum == expected.log_sum);
  }
}

}  // namespace
}  // namespace attend
