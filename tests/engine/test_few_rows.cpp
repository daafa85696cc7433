// The kernel for few rows: every sum in the order that its header states, bit for bit.
#include <hwy/targets.h>

#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <vector>

#include "engine/kernels/few_rows.h"
#include "engine/onednn/dense.h"
#include "tests/support/naive.h"

namespace attend {
namespace {

// Restricts Highway to one instruction set while it lives.
struct OnlyTarget {
  explicit OnlyTarget(std::int64_t target) { hwy::SetSupportedTargetsForTest(target); }
  ~OnlyTarget() { hwy::SetSupportedTargetsForTest(0); }
  OnlyTarget(const OnlyTarget&) = delete;
  OnlyTarget& operator=(const OnlyTarget&) = delete;
};

}  // namespace

TEST_CASE("few rows: sums are added in the stated order", "[few_rows]") {
  const auto [target, block] = GENERATE(std::pair{HWY_AVX3, 64}, std::pair{HWY_AVX2, 24});
  if ((hwy::SupportedTargets() & target) == 0) SKIP("this processor lacks the instructions");
  const OnlyTarget only(target);
  const std::int64_t in = 77, out = 150, padded = 80;
  const std::int64_t chunk = GENERATE(77, 512, 32, 72);
  const std::int64_t rows = GENERATE(1, 2, 3);
  const std::int64_t blocks = (out + block - 1) / block;
  const std::vector<float> w = test::random_floats(in * out, 1);
  const std::vector<float> x = test::random_floats(rows * in, 2);
  std::vector<float> packed(static_cast<std::size_t>(blocks * padded * block));
  for (std::int64_t n = 0; n < out; ++n) {
    for (std::int64_t k = 0; k < in; ++k)
      packed[static_cast<std::size_t>((n / block * padded + k) * block + n % block)] =
          w[static_cast<std::size_t>(n * in + k)];
  }
  const PackedMatrix matrix{.data = reinterpret_cast<const std::byte*>(packed.data()),
                            .in = in,
                            .out = out,
                            .dtype = DType::f32,
                            .block_outputs = block,
                            .block_bytes = padded * block * 4};
  REQUIRE(has_few_rows_kernel(matrix));
  std::vector<float> y(static_cast<std::size_t>(rows * out));
  multiply_few_rows(matrix, x.data(), rows, chunk,
                    [&](std::int64_t row, std::int64_t first, std::int64_t count, const float* sums) {
                      std::copy_n(sums, count, y.begin() + row * out + first);
                    });
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t n = 0; n < out; ++n) {
      float total = 0.0F;
      for (std::int64_t begin = 0; begin < in; begin += chunk) {
        float sum = 0.0F;
        for (std::int64_t k = begin; k < std::min(in, begin + chunk); ++k)
          sum =
              std::fma(x[static_cast<std::size_t>(r * in + k)], w[static_cast<std::size_t>(n * in + k)], sum);
        total = begin == 0 ? sum : total + sum;
      }
      REQUIRE(std::bit_cast<std::uint32_t>(y[static_cast<std::size_t>(r * out + n)]) ==
              std::bit_cast<std::uint32_t>(total));
    }
  }
}

TEST_CASE("few rows: blocks that the machine has no kernel for are refused", "[few_rows]") {
  PackedMatrix matrix{.in = 64, .out = 64, .dtype = DType::f32, .block_outputs = 0};
  CHECK_FALSE(has_few_rows_kernel(matrix));
  matrix.block_outputs = 40;
  CHECK_FALSE(has_few_rows_kernel(matrix));
  matrix = {.in = 63, .out = 64, .dtype = DType::bf16, .block_outputs = 64};  // half a pair
  CHECK_FALSE(has_few_rows_kernel(matrix));
  matrix = {.in = 64, .out = 64, .dtype = DType::i8, .block_outputs = 64};
  CHECK_FALSE(has_few_rows_kernel(matrix));
}

TEST_CASE("few rows: the kernel stands in where oneDNN's order of sums is known", "[few_rows]") {
  const std::int64_t in = GENERATE(64, 768, 2048);
  DenseLibrary library;
  const int id = library.add({.in = in, .out = 192, .bias = true});
  const bool known = library.implementation(id).find("avx512") != std::string::npos;
  if (!known) SKIP("oneDNN's order is known for AVX-512 and AVX2, whose blocks Highway must share");
  const std::vector<float> w = test::random_floats(in * 192, 1);
  const auto weights = library.pack(
      id, converted_rows(DType::f32, in, [&](std::int64_t first, std::int64_t count, float* dst) {
        std::copy_n(w.begin() + first * in, count * in, dst);
      }));
  DenseExecutor executor(library);
  CHECK(executor.implementation(id, 1) == "attend:few_rows");
  CHECK(executor.implementation(id, 100) != "attend:few_rows");
}

TEST_CASE("few rows: weights that tell no order apart leave the product to oneDNN", "[few_rows]") {
  DenseLibrary library;
  const int id = library.add({.in = 2048, .out = 64});
  library.pack(id, converted_rows(DType::f32, 2048, [](std::int64_t, std::int64_t count, float* dst) {
                 std::fill_n(dst, count * 2048, 0.0F);
               }));
  CHECK(DenseExecutor(library).implementation(id, 1) != "attend:few_rows");
}

}  // namespace attend
