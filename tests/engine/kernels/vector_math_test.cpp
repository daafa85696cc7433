// Runs each function of vector_math-inl.h over a row, for every instruction set this machine has.
#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/engine/kernels/vector_math_test.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h
#include "engine/kernels/vector_math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attend {
namespace HWY_NAMESPACE {

using D = hwy::HWY_NAMESPACE::ScalableTag<float>;

// `size` must be a multiple of 64.
template <class F>
HWY_INLINE void map(const float* src, std::size_t size, float* dst, F f) {
  const D d;
  for (std::size_t i = 0; i < size; i += hwy::HWY_NAMESPACE::Lanes(d)) {
    hwy::HWY_NAMESPACE::StoreU(f(d, hwy::HWY_NAMESPACE::LoadU(d, src + i)), d, dst + i);
  }
}

void map_exp(const float* src, std::size_t size, float* dst) {
  map(src, size, dst, [](auto d, auto x) HWY_ATTR { return exp_f32(d, x); });
}
void map_exp_nonpositive(const float* src, std::size_t size, float* dst) {
  map(src, size, dst, [](auto d, auto x) HWY_ATTR { return exp_nonpositive_f32(d, x); });
}
void map_tanh(const float* src, std::size_t size, float* dst) {
  map(src, size, dst, [](auto d, auto x) HWY_ATTR { return tanh_f32(d, x); });
}
void map_erf(const float* src, std::size_t size, float* dst) {
  map(src, size, dst, [](auto d, auto x) HWY_ATTR { return erf_f32(d, x); });
}

}  // namespace HWY_NAMESPACE
}  // namespace attend
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attend {

HWY_EXPORT(map_exp);
HWY_EXPORT(map_exp_nonpositive);
HWY_EXPORT(map_tanh);
HWY_EXPORT(map_erf);

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// `count` values from `first` to `last`, rounded up to a multiple of 64.
std::vector<float> spread(float first, float last, std::size_t count) {
  std::vector<float> values((count + 63) / 64 * 64);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(values.size() - 1);
    values[i] = static_cast<float>(first + (double{last} - first) * t);
  }
  return values;
}

double error_in_ulps(float found, double expected) {
  const float rounded = static_cast<float>(expected);
  const double ulp = std::nextafter(std::abs(rounded), kInf) - std::abs(rounded);
  return std::abs(found - expected) / ulp;
}

// Calls `check` once per instruction set.
template <class F>
void for_each_target(F check) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    INFO(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check();
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

TEST_CASE("exp is within an ulp, and exact at its limits", "[kernels]") {
  for_each_target([] {
    const std::vector<float> x = spread(-86.0f, 88.7f, 200000);
    std::vector<float> y(x.size());
    HWY_DYNAMIC_DISPATCH(map_exp)(x.data(), x.size(), y.data());
    double worst = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i)
      worst = std::max(worst, error_in_ulps(y[i], std::exp(double{x[i]})));
    CHECK(worst <= 1.0);

    std::array<float, 64> edge{0.0f, -0.0f, kInf, -kInf, kNan, 88.73f, 1e30f, -103.0f, -104.5f, -1e30f};
    HWY_DYNAMIC_DISPATCH(map_exp)(edge.data(), edge.size(), edge.data());
    CHECK((edge[0] == 1.0f && edge[1] == 1.0f));
    CHECK((edge[2] == kInf && edge[5] == kInf && edge[6] == kInf));
    CHECK((edge[3] == 0.0f && edge[8] == 0.0f && edge[9] == 0.0f));
    CHECK(std::isnan(edge[4]));
    CHECK(edge[7] == std::exp(-103.0f));
  });
}

TEST_CASE("exp of non-positive numbers is within an ulp, and 0 far below", "[kernels]") {
  for_each_target([] {
    const std::vector<float> x = spread(-87.0f, 0.0f, 200000);
    std::vector<float> y(x.size());
    HWY_DYNAMIC_DISPATCH(map_exp_nonpositive)(x.data(), x.size(), y.data());
    double worst = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i)
      worst = std::max(worst, error_in_ulps(y[i], std::exp(double{x[i]})));
    CHECK(worst <= 1.0);

    std::array<float, 64> edge{0.0f, -0.0f, -kInf, kNan, -87.01f, -1e30f};
    HWY_DYNAMIC_DISPATCH(map_exp_nonpositive)(edge.data(), edge.size(), edge.data());
    CHECK((edge[0] == 1.0f && edge[1] == 1.0f));
    for (std::size_t i = 2; i < 6; ++i) CHECK(edge[i] == 0.0f);
  });
}

TEST_CASE("tanh is within two ulps, erf within eight, both are odd and exact at their limits", "[kernels]") {
  for_each_target([] {
    for (const float reach : {0.001f, 1.0f, 12.0f}) {
      const std::vector<float> x = spread(-reach, reach, 200000);
      std::vector<float> tanh_x(x.size());
      std::vector<float> erf_x(x.size());
      HWY_DYNAMIC_DISPATCH(map_tanh)(x.data(), x.size(), tanh_x.data());
      HWY_DYNAMIC_DISPATCH(map_erf)(x.data(), x.size(), erf_x.data());
      double worst_tanh = 0.0;
      double worst_erf = 0.0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        worst_tanh = std::max(worst_tanh, error_in_ulps(tanh_x[i], std::tanh(double{x[i]})));
        worst_erf = std::max(worst_erf, error_in_ulps(erf_x[i], std::erf(double{x[i]})));
      }
      CHECK(worst_tanh <= 2.0);
      CHECK(worst_erf <= 8.0);
    }
    const std::array<float, 64> edge{0.0f, -0.0f, kInf, -kInf, kNan, 1e-40f, -1e30f};
    std::array<float, 64> y{};
    for (const bool is_tanh : {false, true}) {
      if (is_tanh) {
        HWY_DYNAMIC_DISPATCH(map_tanh)(edge.data(), edge.size(), y.data());
      } else {
        HWY_DYNAMIC_DISPATCH(map_erf)(edge.data(), edge.size(), y.data());
      }
      CHECK((y[0] == 0.0f && !std::signbit(y[0])));
      CHECK((y[1] == 0.0f && std::signbit(y[1])));
      CHECK((y[2] == 1.0f && y[3] == -1.0f && y[6] == -1.0f));
      CHECK(std::isnan(y[4]));
    }
  });
}

}  // namespace
}  // namespace attend
#endif  // HWY_ONCE
