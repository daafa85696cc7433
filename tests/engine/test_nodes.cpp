// Every node, built by the builder and run by the executor, against the naive reference; fused plans against
// unfused ones, bit for bit.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "engine/graph/builder.h"
#include "engine/plan/executor.h"
#include "tests/support/memory_store.h"
#include "tests/support/naive.h"

namespace attend {
namespace {

using test::Matrix;

constexpr std::int64_t kVocab = 30;
constexpr std::int64_t kWidth = 32;
const std::vector<std::int32_t> kTokens{3, 7, 1, 9, 29, 0, 4};
const std::vector<std::int32_t> kPositions{0, 1, 2, 3, 0, 1, 2};  // two sequences: 4 and 3 tokens

// Values of all nodes of a one-graph model over the two sequences.
struct Ran {
  std::map<std::string, std::vector<float>> nodes;
  std::vector<float> output;
};

class Lab {
 public:
  // `build` writes the graph twice: once to learn which tensors it wants, once with them.
  template <typename Build>
  explicit Lab(Build&& build) {
    std::mt19937 random(5);
    for (int round = 0; round < 2; ++round) {
      def_ = {};
      Checkpoint checkpoint(store_);
      GraphBuilder g(def_, checkpoint, "encoder");
      build(g);
      for (const Node& node : def_.graphs["encoder"].nodes) {
        for (const WeightRef& ref : node.weights) {
          if (store_.find(ref.tensor) == nullptr) store_.add_random(ref.tensor, ref.shape, random);
        }
      }
      if (round == 1) REQUIRE(checkpoint.finish().empty());
    }
  }

  std::span<const float> weight(const std::string& name) const { return store_.values(name); }

  Ran run(bool materialized = true) {
    const CompiledModel model(def_, store_);
    Executor executor(model, 2);
    const std::vector<SequenceSpan> sequences{{0, 4, 0, nullptr}, {4, 3, 0, nullptr}};
    const std::vector<std::int32_t> sampled{3, 6};
    Ran ran;
    RunOptions options;
    if (materialized) {
      options.on_node = [&](const NodeView& view) {
        ran.nodes[std::string(view.name)].assign(view.data, view.data + view.rows * view.width);
      };
    }
    executor.run("encoder", {kTokens, kPositions, kPositions, sequences, {}, sampled}, options);
    const OutputView view = executor.output("y");
    ran.output.assign(view.data, view.data + view.rows * view.width);
    return ran;
  }

 private:
  test::MemoryStore store_;
  ModelDef def_;
};

Matrix rows_of(const Ran& ran, const std::string& node, std::int64_t width) {
  return test::to_matrix(ran.nodes.at(node), width);
}

}  // namespace

TEST_CASE("embeddings, positions and sums", "[nodes]") {
  Lab lab([](GraphBuilder& g) {
    const Value x = g.embedding("tokens", g.tokens(), {.rows = kVocab, .dim = kWidth, .scale = 3.0F}) +
                    g.embedding("positions", g.positions(), {.rows = 12, .dim = kWidth, .offset = 2});
    g.output("y", x + g.sinusoid("waves", g.positions(), {.rows = 8, .dim = kWidth}));
  });
  const Ran ran = lab.run();
  Matrix expected;
  for (std::size_t r = 0; r < kTokens.size(); ++r) {
    std::vector<double> row;
    for (std::int64_t i = 0; i < kWidth; ++i) {
      const double angle =
          kPositions[r] / std::pow(10000.0, 2.0 * static_cast<double>(i % (kWidth / 2)) / kWidth);
      row.push_back(3.0 * static_cast<double>(lab.weight(
                              "tokens.weight")[static_cast<std::size_t>(kTokens[r] * kWidth + i)]) +
                    static_cast<double>(lab.weight(
                        "positions.weight")[static_cast<std::size_t>((kPositions[r] + 2) * kWidth + i)]) +
                    (i < kWidth / 2 ? std::sin(angle) : std::cos(angle)));
    }
    expected.push_back(row);
  }
  CHECK(test::relative_error(ran.output, expected) < 1e-6);
}

TEST_CASE("norms, linear maps, activations, row gathers", "[nodes]") {
  const Norm norm = GENERATE(Norm{.kind = Norm::layer, .eps = 1e-5F},
                             Norm{.kind = Norm::rms, .eps = 1e-6F, .weight_offset = 1.0F},
                             Norm{.kind = Norm::layer, .eps = 1e-12F, .bias = false});
  Lab lab([&](GraphBuilder& g) {
    Value x = g.embedding("tokens", g.tokens(), {.rows = kVocab, .dim = kWidth});
    x = g.norm("norm", x, norm);
    x = g.linear("wide", x, {.out = 40, .bias = true, .act = Act::gelu});
    x = g.activation("act", x, Act::tanh);
    g.output("y", g.linear("head", g.sampled_rows(x), {.out = 5, .softcap = 2.0F, .scale = 0.5F}));
    g.output("first", g.first_rows(x));
  });
  const Ran ran = lab.run();
  const bool bias = norm.kind == Norm::layer && norm.bias;
  const Matrix x = rows_of(ran, "tokens", kWidth);
  const Matrix normed = test::naive_norm(x, norm, lab.weight("norm.weight"),
                                         bias ? lab.weight("norm.bias") : std::span<const float>());
  CHECK(test::relative_error(ran.nodes.at("norm"), normed) < 1e-5);
  Matrix wide = test::naive_linear(normed, lab.weight("wide.weight"), lab.weight("wide.bias"), 40, Act::gelu);
  CHECK(test::relative_error(ran.nodes.at("wide"), wide) < 1e-5);
  for (auto& row : wide) {
    for (double& v : row) v = std::tanh(v);
  }
  CHECK(test::relative_error(ran.nodes.at("act"), wide) < 1e-5);
  CHECK(test::relative_error(ran.nodes.at("first_rows"), {wide[0], wide[4]}) < 1e-5);
  Matrix head = test::naive_linear({wide[3], wide[6]}, lab.weight("head.weight"), {}, 5);
  for (auto& row : head) {
    for (double& v : row) v = 2.0 * std::tanh(v * 0.5 / 2.0);
  }
  CHECK(test::relative_error(ran.output, head) < 1e-5);
}

TEST_CASE("feed-forward networks, gated and not", "[nodes]") {
  const bool gated = GENERATE(true, false);
  Lab lab([&](GraphBuilder& g) {
    const Value x = g.embedding("tokens", g.tokens(), {.rows = kVocab, .dim = kWidth});
    FeedForward f{.hidden = 48, .up = "up", .down = "down", .act = Act::silu};
    if (gated) f.gate = "gate";
    g.output("y", g.feed_forward("ffn", x, f));
  });
  const Ran ran = lab.run();
  const Matrix x = rows_of(ran, "tokens", kWidth);
  Matrix hidden = test::naive_linear(x, lab.weight("up.weight"), lab.weight("up.bias"), 48,
                                     gated ? Act::none : Act::silu);
  if (gated) {
    const Matrix gate =
        test::naive_linear(x, lab.weight("gate.weight"), lab.weight("gate.bias"), 48, Act::silu);
    for (std::size_t r = 0; r < hidden.size(); ++r) {
      for (std::size_t i = 0; i < 48; ++i) hidden[r][i] *= gate[r][i];
    }
  }
  CHECK(test::relative_error(ran.output, test::naive_linear(hidden, lab.weight("down.weight"),
                                                            lab.weight("down.bias"), kWidth)) < 1e-5);
}

TEST_CASE("self-attention with rotary positions, grouped queries and head norms", "[nodes]") {
  const bool interleaved = GENERATE(true, false);
  Attention a{.proj = {.q = "q", .k = "k", .v = "v", .out = "o", .bias = true, .out_bias = false},
              .heads = 4,
              .kv_heads = 2,
              .head_dim = 12};
  a.scale = 0.3F;
  a.rope = Rope{.dims = 8, .inv_freq = {1.0F, 0.5F, 0.1F, 0.02F}, .scale = 1.1F, .interleaved = interleaved};
  a.q_norm = "qn";
  a.k_norm = "kn";
  a.qk_norm = {.kind = Norm::rms, .eps = 1e-6F};
  Lab lab([&](GraphBuilder& g) {
    const Value x = g.embedding("tokens", g.tokens(), {.rows = kVocab, .dim = kWidth});
    g.output("y", g.self_attention("attn", x, a));
  });
  const Ran ran = lab.run();
  const Matrix x = rows_of(ran, "tokens", kWidth);
  const auto project = [&](const std::string& name, std::int64_t out) {
    return test::naive_linear(x, lab.weight(name + ".weight"), lab.weight(name + ".bias"), out);
  };
  const auto norm_heads = [&](Matrix m, std::int64_t heads, const std::string& weight) {
    for (auto& row : m) {
      for (std::int64_t h = 0; h < heads; ++h) {
        const Matrix head = test::naive_norm({{row.begin() + h * 12, row.begin() + (h + 1) * 12}}, a.qk_norm,
                                             lab.weight(weight), {});
        std::copy(head[0].begin(), head[0].end(), row.begin() + h * 12);
      }
    }
    test::naive_rope(m, heads, 12, *a.rope, kPositions);
    return m;
  };
  const Matrix q = norm_heads(project("q", 48), 4, "qn.weight");
  const Matrix k = norm_heads(project("k", 24), 2, "kn.weight");
  const Matrix v = project("v", 24);
  Matrix mixed;
  for (const auto& [first, end] : {std::pair<std::ptrdiff_t, std::ptrdiff_t>{0, 4}, {4, 7}}) {
    const auto part = [&, f = first, e = end](const Matrix& m) {
      return Matrix(m.begin() + f, m.begin() + e);
    };
    for (auto& row : test::naive_attention(a, part(q), part(k), part(v), 0)) mixed.push_back(row);
  }
  CHECK(test::relative_error(ran.output, test::naive_linear(mixed, lab.weight("o.weight"), {}, kWidth)) <
        1e-5);
}

TEST_CASE("fused and unfused plans give the same bits", "[plan]") {
  const bool pre_norm = GENERATE(true, false);
  Lab lab([&](GraphBuilder& g) {
    const Attention a{.proj = qkvo("attn", "out_proj"), .heads = 4};
    const FeedForward f{.hidden = 64, .up = "up", .down = "down"};
    Value x = g.embedding("tokens", g.tokens(), {.rows = kVocab, .dim = kWidth});
    for (GraphBuilder& l : g.layers("layers", 3)) {
      if (pre_norm) {
        x = x + l.self_attention("attn", l.norm("n1", x, {}), a);
        x = x + l.feed_forward("ffn", l.norm("n2", x, {}), f);
        x = x + l.linear("extra", x, {.out = kWidth});
      } else {
        x = l.norm("n1", x + l.self_attention("attn", x, a), {});
        x = l.norm("n2", l.feed_forward("ffn", x, f) + x, {});
      }
    }
    g.output("y", x);
  });
  const Ran fused = lab.run(false);
  const Ran unfused = lab.run(true);
  REQUIRE(fused.output.size() == unfused.output.size());
  CHECK(std::memcmp(fused.output.data(), unfused.output.data(), fused.output.size() * sizeof(float)) == 0);
}

}  // namespace attend
