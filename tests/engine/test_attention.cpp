// The ragged attention kernel against the naive reference, and its independence of chunks, batches and
// threads.
#include <omp.h>

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
  Fixture(const Case& c, std::vector<std::int32_t> lengths)
      : case_(c), lengths_(std::move(lengths)), kv_{0, c.kv_heads, c.head_dim} {
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
        const auto floats = static_cast<std::size_t>(kv_.size() + 16);
        memory_.emplace_back(floats, std::numeric_limits<float>::quiet_NaN());
        const auto address = reinterpret_cast<std::uintptr_t>(memory_.back().data());
        table.push_back(reinterpret_cast<std::byte*>((address + 63) / 64 * 64));
      }
      tables_.push_back(std::move(table));
    }
  }

  // Runs all sequences, each cut into chunks of at most `chunk` rows, all chunks of a round in one call.
  std::vector<float> run(std::int32_t chunk, int threads) {
    omp_set_num_threads(threads);
    AttentionShape shape{.heads = case_.heads,
                         .kv = kv_,
                         .scale = scale(),
                         .softcap = case_.softcap,
                         .causal = case_.mask == Mask::causal,
                         .window = case_.window};
    std::vector<float> out(qkv_.size() / static_cast<std::size_t>(stride_) *
                           static_cast<std::size_t>(case_.heads * case_.head_dim));
    std::vector<float> scratch(static_cast<std::size_t>(attention_scratch_floats(512, threads)));
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
      attention(shape, spans, qkv_.data(), stride_, out.data(), scratch.data(), nullptr);
    }
    return out;
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
      for (auto& row : test::naive_attention(a, columns(0, q), columns(q, kv), columns(q + kv, kv), 0))
        all.push_back(row);
      first += static_cast<std::size_t>(length);
    }
    return all;
  }

 private:
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(case_.head_dim)); }

  Case case_;
  std::vector<std::int32_t> lengths_;
  KvSlice kv_;
  std::int64_t stride_ = 0;
  std::vector<float> qkv_;
  std::vector<std::vector<float>> memory_;
  std::vector<std::vector<std::byte*>> tables_;
};

}  // namespace

TEST_CASE("attention agrees with the naive reference on ragged sequences", "[attention]") {
  const Case c = GENERATE(Case{4, 4, 64, Mask::none, 0, 0}, Case{4, 4, 8, Mask::causal, 0, 0},
                          Case{6, 2, 80, Mask::causal, 0, 0}, Case{14, 2, 64, Mask::causal, 20, 0},
                          Case{4, 1, 24, Mask::none, 10, 0}, Case{2, 2, 33, Mask::causal, 0, 5.0F});
  Fixture fixture(c, {1, 16, 17, 50, 3});
  CHECK(test::relative_error(fixture.run(512, 2), fixture.expected()) < 2e-6);
}

TEST_CASE("attention has the same bits in chunks, one token at a time, and on one thread", "[attention]") {
  const Case c = GENERATE(Case{4, 4, 64, Mask::causal, 0, 0}, Case{6, 2, 40, Mask::causal, 9, 0});
  Fixture fixture(c, {1, 31, 60});
  const std::vector<float> whole = fixture.run(512, 2);
  for (const std::int32_t chunk : {1, 5, 16, 23}) {
    const std::vector<float> chunked = fixture.run(chunk, chunk % 2 + 1);
    INFO("chunk " << chunk);
    CHECK(std::memcmp(whole.data(), chunked.data(), whole.size() * sizeof(float)) == 0);
  }
}

}  // namespace attend
