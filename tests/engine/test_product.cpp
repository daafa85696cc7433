// attend's own products: every sum in the order that the header states, bit for bit, and every epilogue.
#include <hwy/targets.h>

#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "engine/kernels/product.h"
#include "engine/kernels/quantize.h"
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

// Weights w[out, in] in blocks of outputs and groups of inputs, padded with zeros.
template <typename T>
struct Packed {
  Packed(const std::vector<T>& w, std::int64_t in, std::int64_t out, DType dtype, std::int64_t block) {
    const auto group = static_cast<std::int64_t>(4 / sizeof(T));
    const std::int64_t padded = (in + 63) / 64 * 64;
    data.resize(static_cast<std::size_t>((out + block - 1) / block * padded * block));
    for (std::int64_t n = 0; n < out; ++n) {
      for (std::int64_t k = 0; k < in; ++k) {
        const std::int64_t at =
            n / block * padded * block + (k / group * block + n % block) * group + k % group;
        data[static_cast<std::size_t>(at)] = w[static_cast<std::size_t>(n * in + k)];
      }
    }
    matrix = {.data = reinterpret_cast<const std::byte*>(data.data()),
              .in = in,
              .out = out,
              .dtype = dtype,
              .block_outputs = block,
              .block_bytes = padded * block * static_cast<std::int64_t>(sizeof(T))};
  }

  std::vector<T> data;
  PackedMatrix matrix;
};

std::uint32_t bits(float x) {
  return std::bit_cast<std::uint32_t>(x);
}

}  // namespace

TEST_CASE("product: sums are added in the stated order", "[product]") {
  const auto [target, block] = GENERATE(std::pair{HWY_AVX3, 64}, std::pair{HWY_AVX2, 24});
  if ((hwy::SupportedTargets() & target) == 0) SKIP("this processor lacks the instructions");
  const OnlyTarget only(target);
  const std::int64_t in = GENERATE(77, 512, 1200), out = 150;
  const std::int64_t rows = GENERATE(1, 2, 3, 5, 7, 100);
  const std::vector<float> w = test::random_floats(in * out, 1);
  const std::vector<float> x = test::random_floats(rows * in, 2);
  const Packed<float> packed(w, in, out, DType::f32, block);
  REQUIRE(product_kernel(packed.matrix) != nullptr);
  std::vector<float> y(static_cast<std::size_t>(rows * out));
  multiply(packed.matrix, x.data(), rows, {}, y.data());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t n = 0; n < out; ++n) {
      float total = 0.0F;
      for (std::int64_t begin = 0; begin < in; begin += kChunkGroups) {
        float sum = 0.0F;
        for (std::int64_t k = begin; k < std::min(in, begin + kChunkGroups); ++k)
          sum =
              std::fma(x[static_cast<std::size_t>(r * in + k)], w[static_cast<std::size_t>(n * in + k)], sum);
        total = begin == 0 ? sum : total + sum;
      }
      REQUIRE(bits(y[static_cast<std::size_t>(r * out + n)]) == bits(total));
    }
  }
}

TEST_CASE("product: sums of 8 bits are exact, whatever follows them", "[product]") {
  const std::int64_t in = GENERATE(4, 300, 2500), out = 150;  // more than a chunk
  const std::int64_t rows = GENERATE(1, 4, 100);
  std::minstd_rand random(1);
  std::vector<std::int8_t> w(static_cast<std::size_t>(in * out));
  std::vector<std::uint8_t> x(static_cast<std::size_t>(in * rows));
  for (auto& q : w) q = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  for (auto& q : x) q = static_cast<std::uint8_t>(random() % 255 + 1);
  const Packed<std::int8_t> packed(w, in, out, DType::i8, 64);
  if (product_kernel(packed.matrix) == nullptr) SKIP("this processor lacks the instructions");
  std::vector<std::int32_t> weight_sums(static_cast<std::size_t>(out));
  sum_weights(w.data(), out, in, weight_sums.data());
  const std::vector<float> row_scales = test::random_floats(rows, 1), scales = test::random_floats(out, 2);
  const std::vector<float> bias = test::random_floats(out, 3), other = test::random_floats(rows * out, 4);
  const auto act = GENERATE(Act::none, Act::gelu);
  const auto combine = GENERATE(DenseSpec::none, DenseSpec::add, DenseSpec::multiply);
  const Epilogue how{.row_scales = row_scales.data(),
                     .weight_scales = scales.data(),
                     .weight_sums = weight_sums.data(),
                     .bias = bias.data(),
                     .zero = 128,
                     .act = act,
                     .combine = combine,
                     .other = other.data()};
  std::vector<float> y = other;
  multiply(packed.matrix, x.data(), rows, how, y.data());

  std::vector<std::int32_t> sums(y.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t n = 0; n < out; ++n) {
      for (std::int64_t k = 0; k < in; ++k)
        sums[static_cast<std::size_t>(r * out + n)] +=
            x[static_cast<std::size_t>(r * in + k)] * w[static_cast<std::size_t>(n * in + k)];
    }
  }
  std::vector<float> expected = other;
  dequantize_rows(sums.data(), rows, out, how, expected.data());
  for (std::size_t i = 0; i < y.size(); ++i) {
    INFO("output " << i << " of " << rows << " x " << out << ", act " << static_cast<int>(act) << ", combine "
                   << static_cast<int>(combine));
    REQUIRE(bits(y[i]) == bits(expected[i]));
  }
}

TEST_CASE("product: blocks that the machine has no kernel for are refused", "[product]") {
  PackedMatrix matrix{.in = 64, .out = 64, .dtype = DType::f32, .block_outputs = 0};
  CHECK(product_kernel(matrix) == nullptr);
  matrix.block_outputs = 40;
  CHECK(product_kernel(matrix) == nullptr);
  matrix = {.in = 63, .out = 64, .dtype = DType::bf16, .block_outputs = 64};  // half a pair
  CHECK(product_kernel(matrix) == nullptr);
  matrix = {.in = 66, .out = 64, .dtype = DType::i8, .block_outputs = 64};  // half a group
  CHECK(product_kernel(matrix) == nullptr);
  matrix = {.in = 64, .out = 64, .dtype = DType::f16, .block_outputs = 64};
  CHECK(product_kernel(matrix) == nullptr);
}

TEST_CASE("product: the kernel computes every number of rows where it knows oneDNN's layout", "[product]") {
  const std::int64_t in = GENERATE(64, 768, 2048);
  DenseLibrary library;
  const int id = library.add({.in = in, .out = 192, .bias = true});
  const std::string name = library.implementation(id);
  if ((hwy::SupportedTargets() & HWY_AVX3) == 0 || std::getenv("ONEDNN_MAX_CPU_ISA") != nullptr)
    SKIP("which layouts are known is checked for AVX-512");
  CHECK(name == "attend:avx512");
  DenseExecutor executor(library);
  CHECK(executor.implementation(id, 1) == name);
  CHECK(executor.implementation(id, 1000) == name);
}

}  // namespace attend
