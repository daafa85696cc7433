// The ragged attention kernel against the naive reference, and its independence of chunks, batches and
// threads.
#include <omp.h>

#include <algorithm>
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "engine/kernels/attention.h"
#include "tests/support/naive.h"

namespace attend {
namespace {

struct Case {
  std::int64_t heads, kv_heads, head_dim;
  Mask mask;
  std::int64_t window;
  float softcap;
};

// Sequences with their own blocks, filled with NaN where nothing was written.
class Fixture {
 public:
  Fixture(const Case& c, std::vector<std::int32_t> lengths, DType dtype, DType products = DType::f32)
      : case_(c), lengths_(std::move(lengths)), kv_{0, c.kv_heads, c.head_dim, dtype}, products_(products) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::int64_t rows = 0;
    for (const std::int32_t length : lengths_) rows += length;
    stride_ = (c.heads + 2 * c.kv_heads) * c.head_dim;
    qkv_.resize(static_cast<std::size_t>(rows * stride_));
    for (float& value : qkv_) value = normal(random);
    for (const std::int32_t length : lengths_) {
      std::vector<std::byte*> table;
      for (int b = 0; b < (length + 15) / 16; ++b) {
        const auto floats = static_cast<std::size_t>(kv_.size_bytes() / 4 + 16);
        memory_.emplace_back(floats, std::numeric_limits<float>::quiet_NaN());
        const auto address = reinterpret_cast<std::uintptr_t>(memory_.back().data());
        table.push_back(reinterpret_cast<std::byte*>((address + 63) / 64 * 64));
      }
      tables_.push_back(std::move(table));
    }
  }

  // Runs all sequences, each cut into chunks of at most `chunk` rows, all chunks of a round in one call.
  // `sink`: where the first sequence's weights go.
  std::vector<float> run(std::int32_t chunk, int threads, const AttentionWeightsSink& sink = {}) {
    omp_set_num_threads(threads);
    AttentionShape shape{.heads = case_.heads,
                         .kv = kv_,
                         .scale = scale(),
                         .softcap = case_.softcap,
                         .causal = case_.mask == Mask::causal,
                         .window = case_.window,
                         .relative = nullptr,
                         .products = products_};
    std::vector<float> out(qkv_.size() / static_cast<std::size_t>(stride_) *
                           static_cast<std::size_t>(case_.heads * case_.head_dim));
    bool more = true;
    for (std::int32_t past = 0; more; past += chunk) {
      std::vector<AttentionSpan> spans;
      more = false;
      std::int32_t first = 0;
      for (std::size_t s = 0; s < lengths_.size(); ++s) {
        const std::int32_t rows = std::min(chunk, lengths_[s] - past);
        if (rows > 0) spans.push_back({first + past, rows, past, past + rows, tables_[s].data()});
        more = more || past + chunk < lengths_[s];
        first += lengths_[s];
      }
      const std::int64_t q = case_.heads * case_.head_dim;
      for (const AttentionSpan& span : spans)
        write_kv(kv_, span, qkv_.data() + q, qkv_.data() + q + case_.kv_heads * case_.head_dim, stride_);
      std::vector<float> scratch(static_cast<std::size_t>(attention_scratch_floats(shape, spans, threads)));
      attention(shape, spans, qkv_.data(), stride_, out.data(), threads, scratch.data(), nullptr,
                {&sink, sink.weights == nullptr ? 0U : 1U});
    }
    return out;
  }

  float value(std::int32_t row, std::int64_t head, std::int64_t j) const {
    const std::int64_t at = (case_.heads + case_.kv_heads + head) * case_.head_dim + j;
    return qkv_[static_cast<std::size_t>(row * stride_ + at)];
  }

  test::Matrix expected() const {
    Attention a{.heads = case_.heads,
                .kv_heads = case_.kv_heads,
                .head_dim = case_.head_dim,
                .scale = scale(),
                .mask = case_.mask,
                .window = case_.window,
                .softcap = case_.softcap};
    test::Matrix all;
    std::size_t first = 0;
    for (const std::int32_t length : lengths_) {
      const auto columns = [&](std::int64_t begin, std::int64_t count) {
        test::Matrix m;
        for (std::size_t r = first; r < first + static_cast<std::size_t>(length); ++r) {
          const auto row = qkv_.begin() + static_cast<std::ptrdiff_t>(r) * stride_ + begin;
          m.emplace_back(row, row + count);
        }
        return m;
      };
      const std::int64_t q = case_.heads * case_.head_dim;
      const std::int64_t kv = case_.kv_heads * case_.head_dim;
      const auto cached = [&](std::int64_t begin) {
        return test::naive_cached(columns(begin, kv), case_.head_dim, kv_.dtype);
      };
      // Rounded as a cache of that type would round them.
      const test::Matrix queries = test::naive_cached(columns(0, q), case_.head_dim, products_);
      for (auto& row : test::naive_attention(a, queries, cached(q), cached(q + kv), 0)) all.push_back(row);
      first += static_cast<std::size_t>(length);
    }
    return all;
  }

 private:
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(case_.head_dim)); }

  Case case_;
  std::vector<std::int32_t> lengths_;
  KvSlice kv_;
  DType products_;
  std::int64_t stride_ = 0;
  std::vector<float> qkv_;
  std::vector<std::vector<float>> memory_;
  std::vector<std::vector<std::byte*>> tables_;
};

void need_bf16_products() {
  if (!has_bf16_products()) SKIP("this processor does not multiply pairs of bf16");
}

}  // namespace

TEST_CASE("attention agrees with the naive reference on ragged sequences", "[attention]") {
  const Case c = GENERATE(Case{4, 4, 64, Mask::none, 0, 0}, Case{4, 4, 8, Mask::causal, 0, 0},
                          Case{6, 2, 80, Mask::causal, 0, 0}, Case{14, 2, 64, Mask::causal, 20, 0},
                          Case{4, 1, 24, Mask::none, 10, 0}, Case{2, 2, 33, Mask::causal, 0, 5.0F});
  const DType dtype = GENERATE(DType::f32, DType::bf16, DType::i8);
  INFO("cache of " << name(dtype));
  Fixture fixture(c, {1, 16, 17, 50, 3}, dtype);
  CHECK(test::relative_error(fixture.run(512, 2), fixture.expected()) < 2e-6);
}

TEST_CASE("attention agrees with the naive reference over many tiles of keys", "[attention]") {
  const Case c = GENERATE(Case{2, 2, 8, Mask::none, 0, 0}, Case{6, 1, 136, Mask::causal, 0, 0},
                          Case{2, 1, 64, Mask::causal, 300, 0}, Case{2, 1, 136, Mask::none, 400, 5.0F});
  const DType dtype = GENERATE(DType::f32, DType::bf16, DType::i8);
  INFO("cache of " << name(dtype));
  Fixture fixture(c, {1100, 2, 513}, dtype);
  CHECK(test::relative_error(fixture.run(2048, 2), fixture.expected()) < 3e-6);
}

TEST_CASE("attention with products in bf16 differs from the naive reference by the rounding of its weights",
          "[attention]") {
  need_bf16_products();
  const Case c = GENERATE(Case{4, 4, 64, Mask::none, 0, 0}, Case{14, 2, 64, Mask::causal, 20, 0},
                          Case{2, 2, 33, Mask::causal, 0, 5.0F}, Case{6, 1, 136, Mask::none, 400, 0});
  Fixture fixture(c, {1, 16, 17, 600, 3}, DType::bf16, DType::bf16);
  CHECK(test::relative_error(fixture.run(700, 2), fixture.expected()) < 3e-3);
}

TEST_CASE("attention has the same bits in chunks, one token at a time, and on one thread", "[attention]") {
  struct Work {
    Case shape;
    std::vector<std::int32_t> lengths;
    std::vector<std::int32_t> chunks;
  };
  const Work work = GENERATE(Work{{4, 4, 64, Mask::causal, 0, 0}, {1, 31, 60}, {1, 5, 16, 23}},
                             Work{{6, 2, 40, Mask::causal, 9, 0}, {1, 31, 60}, {1, 5, 16, 23}},
                             Work{{7, 1, 136, Mask::causal, 0, 0}, {600, 40}, {1, 100, 512}},
                             Work{{3, 1, 16, Mask::causal, 530, 0}, {1300}, {1, 77, 256}});
  const DType dtype = GENERATE(DType::f32, DType::bf16, DType::i8);
  const DType products = dtype == DType::bf16 ? GENERATE(DType::f32, DType::bf16) : DType::f32;
  INFO("cache of " << name(dtype) << ", products in " << name(products));
  if (products == DType::bf16) need_bf16_products();
  Fixture fixture(work.shape, work.lengths, dtype, products);
  const std::vector<float> whole = fixture.run(2048, 2);
  for (const std::int32_t chunk : work.chunks) {
    const std::vector<float> chunked = fixture.run(chunk, chunk % 2 + 1);
    INFO("chunk " << chunk);
    CHECK(std::memcmp(whole.data(), chunked.data(), whole.size() * sizeof(float)) == 0);
  }
  // One sequence's keys spread over more threads.
  const std::vector<float> many = fixture.run(1, 5);
  CHECK(std::memcmp(whole.data(), many.data(), whole.size() * sizeof(float)) == 0);
}

TEST_CASE("weights that are asked for are those that mixed the values, over many tiles", "[attention]") {
  const Case c{4, 2, 8, Mask::causal, 600, 0};
  constexpr std::int32_t kTokens = 1300;
  Fixture fixture(c, {kTokens, 3}, DType::f32);
  constexpr std::int64_t kFirst = 1290;  // only the last rows, of two of the heads
  std::vector<float> weights(2 * 10 * kTokens);
  AttentionWeightsSink sink{.first_row = kFirst,
                            .rows = 10,
                            .first_head = 1,
                            .heads = 2,
                            .weights = weights.data(),
                            .row_stride = kTokens,
                            .head_stride = 10 * kTokens};
  const std::vector<float> out = fixture.run(2048, 2, sink);
  for (std::int64_t head = 0; head < 2; ++head) {
    for (std::int64_t row = 0; row < 10; ++row) {
      double sum = 0;
      double mixed = 0;
      for (std::int32_t k = 0; k < kTokens; ++k) {
        const auto weight = static_cast<double>(
            weights[static_cast<std::size_t>(head * sink.head_stride + row * sink.row_stride + k)]);
        const bool seen = k <= kFirst + row && k > kFirst + row - c.window;
        CHECK((weight > 0) == seen);
        sum += weight;
        mixed += weight * static_cast<double>(fixture.value(k, (head + 1) / 2, 5));
      }
      CHECK(std::abs(sum - 1.0) < 1e-5);
      const auto at = ((kFirst + row) * c.heads + head + 1) * c.head_dim + 5;
      CHECK(std::abs(mixed - static_cast<double>(out[static_cast<std::size_t>(at)])) < 1e-5);
    }
  }
  const std::vector<float> once = weights;
  std::ranges::fill(weights, 0.0F);
  fixture.run(100, 1, sink);
  CHECK(weights == once);
}

TEST_CASE("neighbours of a cache in bf16 keep their halves of a word", "[attention]") {
  const KvSlice kv{0, 2, 33, DType::bf16};
  constexpr std::int64_t kStride = std::int64_t{4} * 33;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> rows(16 * kStride);
  for (float& x : rows) x = normal(random);
  const auto size = static_cast<std::size_t>(kv.size_bytes());
  const auto written = [&](std::initializer_list<std::pair<std::int32_t, std::int32_t>> runs) {
    std::vector<std::byte> memory(size + 64, std::byte{0xFF});  // NaN
    const auto address = (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64;
    std::byte* table = reinterpret_cast<std::byte*>(address);
    for (const auto& [first, count] : runs)
      write_kv(kv, {first, count, first, first + count, &table}, rows.data(), rows.data() + 66, kStride);
    return std::vector<std::byte>(table, table + size);
  };
  const std::vector<std::byte> whole = written({{0, 16}});
  CHECK(written({{0, 3}, {3, 4}, {7, 9}}) == whole);
  CHECK(written({{0, 16}, {5, 3}, {8, 8}}) == whole);  // again from the middle of a word on
  const auto* words = reinterpret_cast<const std::uint32_t*>(whole.data());
  CHECK(std::abs(std::bit_cast<float>(words[0] & 0xFFFF0000U) - rows[1]) < 0.02F);
  CHECK(words[16 * 16] >> 16 == 0);  // element 33, which is not there
  const auto one = written({{0, 1}});
  const auto* values = reinterpret_cast<const std::uint32_t*>(one.data() + kv.value_offset(0));
  CHECK(std::abs(std::bit_cast<float>(values[4] << 16) - rows[66 + 4]) < 0.02F);
  CHECK(values[4] >> 16 == 0);  // token 1, which is not there yet
}

TEST_CASE("NaN in a key or a value reaches those who see it when products are in bf16", "[attention]") {
  need_bf16_products();
  const AttentionShape shape{
      .heads = 2, .kv = {0, 2, 8, DType::bf16}, .causal = true, .relative = nullptr, .products = DType::bf16};
  alignas(64) std::byte memory[2048];
  REQUIRE(shape.kv.size_bytes() <= 2048);
  std::byte* block = memory;
  std::vector<float> qkv(3 * 48, 0.5F);  // of three tokens: queries, keys and values [2][8] each
  qkv[2 * 48 + 16] = std::numeric_limits<float>::quiet_NaN();       // token 2, head 0, key
  qkv[2 * 48 + 32 + 11] = std::numeric_limits<float>::quiet_NaN();  // head 1, value 3
  std::vector<float> out(3 * 16);
  for (std::int32_t row = 0; row < 3; ++row) {  // one by one: who comes before the token does not read it
    const AttentionSpan span{row, 1, row, row + 1, &block};
    write_kv(shape.kv, span, qkv.data() + 16, qkv.data() + 32, 48);
    std::vector<float> scratch(static_cast<std::size_t>(attention_scratch_floats(shape, {&span, 1}, 1)));
    attention(shape, {&span, 1}, qkv.data(), 48, out.data(), 1, scratch.data(), nullptr);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    INFO("element " << i);
    const bool reached = i >= 32 && (i < 40 || i == 32 + 11);
    CHECK(std::isnan(out[i]) == reached);
    if (!reached) CHECK(std::abs(out[i] - 0.5F) < 1e-6F);
  }
}

TEST_CASE("a row that is not finite stays so in a cache of 8 bits", "[attention]") {
  const KvSlice kv{0, 1, 8, DType::i8};
  alignas(64) std::byte block[1024];
  REQUIRE(kv.size_bytes() <= 1024);
  std::byte* table = block;
  std::vector<float> keys(16, 1.0F);
  keys[3] = std::numeric_limits<float>::quiet_NaN();
  write_kv(kv, {0, 1, 0, 1, &table}, keys.data(), keys.data() + 8, 16);
  CHECK(std::isnan(*reinterpret_cast<const float*>(block + kv.key_scales_offset(0))));
  CHECK(*reinterpret_cast<const float*>(block + kv.value_scales_offset(0)) == 1.0F / 127.0F);
  keys.assign(16, 0.0F);
  keys[9] = 1e-45F;  // a denormal, whose inverse overflows
  write_kv(kv, {0, 1, 0, 1, &table}, keys.data(), keys.data() + 8, 16);
  CHECK(*reinterpret_cast<const float*>(block + kv.key_scales_offset(0)) == 0.0F);
  CHECK(std::isfinite(*reinterpret_cast<const float*>(block + kv.value_scales_offset(0))));
}

}  // namespace attend
