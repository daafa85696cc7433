// Packed products: exact against a naive reference, and bit-identical for every batch and thread count.
#include <omp.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>

#include "attend/error.h"
#include "engine/kernels/quantize.h"
#include "engine/onednn/dense.h"
#include "tests/support/naive.h"

namespace attend {
namespace {

// Whether oneDNN can compute with such weights here at all, fast or not.
bool has_precision(DenseLibrary& library, DType weights) {
  try {
    library.add({.in = 64, .out = 64, .weights = weights});
    return true;
  } catch (const Error&) {
    return false;
  }
}

// A product with random weights, and buffers large enough for any bucket.
struct Product {
  static constexpr std::int64_t kMaxRows = 320;

  explicit Product(DenseSpec s)
      : spec(s),
        weight(test::random_floats(s.in * s.out, 1)),
        bias(test::random_floats(s.out, 2)),
        id(library.add(spec)) {
    pack();
    x = test::random_floats(kMaxRows * spec.in, 3);
    other = test::random_floats(kMaxRows * spec.out, 4);
  }

  void pack() {
    const auto rows = [&](std::int64_t first, std::int64_t count, float* dst) {
      std::copy_n(weight.begin() + first * spec.in, count * spec.in, dst);
    };
    packed = library.pack(id, converted_rows(spec.weights, spec.in, rows));
  }

  std::vector<float> run(std::int64_t rows, std::int64_t first_row = 0, int threads = 2) {
    omp_set_num_threads(threads);
    DenseExecutor executor(library);
    std::vector<float> src(static_cast<std::size_t>(bucket_rows(rows) * spec.in));
    std::copy_n(x.begin() + first_row * spec.in, rows * spec.in, src.begin());
    std::vector<float> dst(static_cast<std::size_t>(bucket_rows(rows) * spec.out));
    std::vector<float> factor(dst.size(), 1.0F);
    std::copy_n(other.begin() + first_row * spec.out, rows * spec.out,
                spec.combine == DenseSpec::add ? dst.begin() : factor.begin());
    executor.run(id, *packed, bias.data(), rows, src.data(), dst.data(), factor.data());
    dst.resize(static_cast<std::size_t>(rows * spec.out));
    return dst;
  }

  DenseSpec spec;
  DenseLibrary library;
  std::vector<float> weight, bias, x, other;
  int id;
  std::shared_ptr<const PackedWeights> packed;
};

}  // namespace

TEST_CASE("products agree with the naive reference", "[dense]") {
  const auto act = GENERATE(Act::none, Act::relu, Act::gelu, Act::gelu_tanh, Act::silu, Act::quick_gelu,
                            Act::tanh, Act::sigmoid);
  const auto combine = GENERATE(DenseSpec::none, DenseSpec::add, DenseSpec::multiply);
  const bool bias = GENERATE(true, false);
  Product product({.in = 48, .out = 80, .bias = bias, .act = act, .combine = combine});
  const std::int64_t rows = 5;
  const std::vector<float> y = product.run(rows);
  test::Matrix expected =
      test::naive_linear(test::to_matrix({product.x.data(), 5 * 48}, 48), product.weight,
                         bias ? std::span<const float>(product.bias) : std::span<const float>(), 80, act);
  for (std::size_t r = 0; r < expected.size(); ++r) {
    for (std::size_t i = 0; i < 80; ++i) {
      const auto other = static_cast<double>(product.other[r * 80 + i]);
      if (combine == DenseSpec::add) expected[r][i] += other;
      if (combine == DenseSpec::multiply) expected[r][i] *= other;
    }
  }
  CHECK(test::relative_error(y, expected) < 1e-5);
}

TEST_CASE("products of 8-bit and bf16 weights stay close to the exact ones", "[dense]") {
  const auto weights = GENERATE(DType::bf16, DType::i8);
  const auto act = GENERATE(Act::none, Act::relu, Act::gelu, Act::gelu_tanh, Act::silu, Act::quick_gelu,
                            Act::tanh, Act::sigmoid);
  const auto combine = GENERATE(DenseSpec::none, DenseSpec::add, DenseSpec::multiply);
  DenseLibrary probe;
  if (!has_precision(probe, weights)) SKIP("oneDNN has no such product on this processor");
  Product product({.in = 256, .out = 80, .bias = true, .act = act, .combine = combine, .weights = weights});
  const std::int64_t rows = 5;
  for (float& w : product.weight) w /= 16.0F;
  product.pack();
  const std::vector<float> y = product.run(rows);
  test::Matrix expected = test::naive_linear(test::to_matrix({product.x.data(), 5 * 256}, 256),
                                             product.weight, product.bias, 80, act);
  for (std::size_t r = 0; r < expected.size(); ++r) {
    for (std::size_t i = 0; i < 80; ++i) {
      const auto other = static_cast<double>(product.other[r * 80 + i]);
      if (combine == DenseSpec::add) expected[r][i] += other;
      if (combine == DenseSpec::multiply) expected[r][i] *= other;
    }
  }
  const double error = test::relative_error(y, expected);
  CHECK(error < 0.05);
  CHECK(error > 1e-7);  // or it was computed in f32
}

TEST_CASE("a row's bits depend on neither its batch, its place nor the threads", "[dense]") {
  const auto [in, out] = GENERATE(std::pair{32, 96}, std::pair{512, 512}, std::pair{2048, 512},
                                  std::pair{512, 1000}, std::pair{96, 33});
  const auto weights = GENERATE(DType::f32, DType::bf16, DType::i8);
  DenseLibrary probe;
  if (!has_precision(probe, weights)) SKIP("oneDNN has no such product on this processor");
  Product product({.in = in, .out = out, .bias = true, .weights = weights});
  const std::vector<float> all = product.run(Product::kMaxRows);
  for (const std::int64_t rows : {1, 2, 3, 5, 8, 9, 17, 32, 63, 100, 129, 257}) {
    for (const int threads : {1, 2}) {
      const std::int64_t first = Product::kMaxRows - rows;
      const std::vector<float> part = product.run(rows, first, threads);
      INFO("rows " << rows << ", threads " << threads << ", " << in << " -> " << out);
      CHECK(std::memcmp(part.data(), all.data() + first * out, part.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("a row's bits do not depend on its batch, whatever follows the product", "[dense]") {
  const auto act = GENERATE(Act::none, Act::relu, Act::gelu, Act::gelu_tanh, Act::silu, Act::quick_gelu,
                            Act::tanh, Act::sigmoid);
  const auto combine = GENERATE(DenseSpec::none, DenseSpec::add, DenseSpec::multiply);
  const auto weights = GENERATE(DType::f32, DType::bf16, DType::i8);
  const auto [in, out] = GENERATE(std::pair{64, 192}, std::pair{768, 100}, std::pair{1100, 70});
  DenseLibrary probe;
  if (!has_precision(probe, weights)) SKIP("oneDNN has no such product on this processor");
  Product product({.in = in, .out = out, .bias = true, .act = act, .combine = combine, .weights = weights});
  const std::vector<float> all = product.run(20);
  for (const std::int64_t rows : {1, 2, 3, 4, 7}) {
    const std::vector<float> part = product.run(rows, 20 - rows);
    INFO("rows " << rows << ", " << product.library.implementation(product.id));
    CHECK(std::memcmp(part.data(), all.data() + (20 - rows) * out, part.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("rows handed over in bf16 are those of f32, rounded once", "[dense]") {
  const auto act = GENERATE(Act::none, Act::gelu);
  const auto combine = GENERATE(DenseSpec::none, DenseSpec::multiply);
  const std::int64_t in = GENERATE(64, 1100), out = GENERATE(192, 70);
  DenseLibrary probe;
  if (!has_precision(probe, DType::bf16)) SKIP("oneDNN has no such product on this processor");
  Product product(
      {.in = in, .out = out, .bias = true, .act = act, .combine = combine, .weights = DType::bf16});
  constexpr std::int64_t kRows = 9;
  const std::vector<float> exact = product.run(kRows);
  std::vector<std::uint16_t> rounded(exact.size());
  round_to_bf16(exact.data(), static_cast<std::int64_t>(exact.size()), rounded.data());

  DenseSpec spec = product.spec;
  spec.destination = DType::bf16;
  const int writes = product.library.add(spec, product.id);
  spec = product.spec;
  spec.source = DType::bf16;
  const int reads = product.library.add(spec, product.id);
  DenseExecutor executor(product.library);
  const auto room = static_cast<std::size_t>(bucket_rows(kRows));
  std::vector<std::uint16_t> narrow(room * static_cast<std::size_t>(out));
  executor.run(writes, *product.packed, product.bias.data(), kRows, product.x.data(), narrow.data(),
               product.other.data());
  CHECK(std::memcmp(narrow.data(), rounded.data(), rounded.size() * 2) == 0);

  std::vector<std::uint16_t> source(room * static_cast<std::size_t>(in));
  round_to_bf16(product.x.data(), kRows * in, source.data());
  std::vector<float> y(room * static_cast<std::size_t>(out));
  executor.run(reads, *product.packed, product.bias.data(), kRows, source.data(), y.data(),
               product.other.data());
  CHECK(std::memcmp(y.data(), exact.data(), exact.size() * sizeof(float)) == 0);
}

TEST_CASE("rows gathered from packed weights are the rows that were packed", "[dense]") {
  const auto [in, out] = GENERATE(std::pair{32, 96}, std::pair{512, 1000}, std::pair{33, 50});
  const auto weights = GENERATE(DType::f32, DType::bf16, DType::i8);
  DenseLibrary probe;
  if (!has_precision(probe, weights)) SKIP("oneDNN has no such product on this processor");
  Product product({.in = in, .out = out, .bias = true, .weights = weights});
  // Half a step of the largest weight of these rows, at most 5.
  const float tolerance = weights == DType::f32 ? 0.0F : weights == DType::bf16 ? 0.02F : 5.0F / 254.0F;
  std::vector<float> row(static_cast<std::size_t>(in));
  for (const std::int64_t r : {0, 1, 17, 31, 49}) {
    product.packed->gather_row(r, 2.0F, row.data());
    for (std::int64_t i = 0; i < in; ++i) {
      const float exact = product.weight[static_cast<std::size_t>(r * in + i)];
      REQUIRE(std::abs(row[static_cast<std::size_t>(i)] / 2.0F - exact) <= tolerance);
    }
  }
}

TEST_CASE("products of sizes that fill no block agree with the naive reference", "[dense]") {
  const auto [in, out] = GENERATE(std::pair{1, 1}, std::pair{7, 3}, std::pair{33, 50}, std::pair{65, 130},
                                  std::pair{515, 1001}, std::pair{2050, 66});
  const auto weights = GENERATE(DType::f32, DType::bf16, DType::i8);
  DenseLibrary probe;
  if (!has_precision(probe, weights)) SKIP("oneDNN has no such product on this processor");
  Product product({.in = in, .out = out, .bias = true, .weights = weights});
  constexpr std::size_t kRows = 3;
  const auto count = kRows * static_cast<std::size_t>(in);
  const test::Matrix expected = test::naive_linear(test::to_matrix({product.x.data(), count}, in),
                                                   product.weight, product.bias, out, Act::none);
  INFO(in << " -> " << out);
  const double tolerance = weights == DType::f32 ? 1e-5 : weights == DType::bf16 ? 0.02 : 0.05;
  CHECK(test::relative_error(product.run(kRows), expected) < tolerance);
}

TEST_CASE("a source that fails while a matrix is packed fails the packing", "[dense]") {
  DenseLibrary library;
  const int id = library.add({.in = 512, .out = 1024});
  const RowSource source = [](std::int64_t first, std::int64_t, std::byte*, float*) {
    if (first >= 512) throw Error("ST_FILE_CHANGED", "model.safetensors", "shorter now");
  };
  try {
    library.pack(id, source);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == "ST_FILE_CHANGED");
  }
}

TEST_CASE("hot products never run on oneDNN's reference implementation", "[dense]") {
  DenseLibrary library;
  const auto weights = GENERATE(DType::f32, DType::i8);
  for (const auto combine : {DenseSpec::none, DenseSpec::add, DenseSpec::multiply}) {
    for (const Act act : {Act::none, Act::relu, Act::gelu, Act::silu}) {
      const int id = library.add(
          {.in = 512, .out = 2048, .bias = true, .act = act, .combine = combine, .weights = weights});
      INFO(library.implementation(id));
      CHECK(library.implementation(id).find("ref") == std::string::npos);
    }
  }
}

}  // namespace attend
