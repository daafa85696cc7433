// Marian against transformers: every node of encoder and decoder, in the order in which they run, so that a
// failure names the first node that diverges.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <set>

#include "engine/plan/executor.h"
#include "loaders/load_model.h"
#include "runtime/scheduler/block_pool.h"
#include "tests/api/golden_model.h"

namespace attend {
namespace {

constexpr double kTolerance = 2e-4;  // of the value's scale

// transformers has no module for the sum of token and position embeddings; the goldens call it "embed".
std::string golden_name(const std::string& node) {
  const std::string sum = "embed_positions.add";
  if (node == "lm_head") return "logits";
  return node.ends_with(sum) ? node.substr(0, node.size() - sum.size()) + "embed" : node;
}

double error_of_scale(const std::vector<float>& expected, const float* found) {
  float scale = 1e-6F;
  float error = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    scale = std::max(scale, std::abs(expected[i]));
    error = std::max(error, std::isnan(found[i]) ? 1e9F : std::abs(expected[i] - found[i]));
  }
  return static_cast<double>(error / scale);
}

class Runner {
 public:
  explicit Runner(const test::Golden& golden, DType cached = DType::f32)
      : golden_(golden),
        loaded_(load_model(golden.directory)),
        model_(std::move(loaded_.def), *loaded_.weights, Precision::automatic, cached),
        executor_(model_, 2) {
    budget_.limit_bytes = std::uint64_t{1} << 30;
  }

  // Checks every node that the goldens have for one input.
  void check(std::size_t input) {
    const std::string prefix = std::to_string(input) + "/";
    std::set<std::string> checked;
    RunOptions options;
    options.on_node = [&](const NodeView& view) {
      const std::string name = prefix + golden_name(std::string(view.name));
      if (!golden_.has(name)) return;
      const std::vector<float> expected = golden_.value(name);
      INFO("input " << input << ", node " << view.name);
      REQUIRE(static_cast<std::int64_t>(expected.size()) == view.rows * view.width);
      REQUIRE(error_of_scale(expected, view.data) < kTolerance);
      checked.insert(name);
    };
    run(input, options);
    // All of the goldens' nodes but the attention weights were met.
    const auto names = golden_.names(prefix);
    const auto nodes = std::count_if(names.begin(), names.end(),
                                     [](const std::string& n) { return !n.starts_with("attention."); });
    CHECK(static_cast<std::ptrdiff_t>(checked.size()) == nodes);
  }

  // Runs encoder and teacher-forced decoder on one input; returns the logits of every target token.
  std::vector<float> run(std::size_t input, const RunOptions& options = {}) {
    const std::vector<std::int32_t> source = golden_.inputs().at(input);
    const std::vector<std::int32_t> target = golden_.expected.at("decoder_input_ids").at(input);
    BlockPool self_pool(static_cast<std::size_t>(model_.cache().self[0].block_bytes), budget_);
    BlockPool cross_pool(static_cast<std::size_t>(model_.cache().cross[0].block_bytes), budget_);
    BlockList self(self_pool);
    BlockList cross(cross_pool);
    const auto S = static_cast<std::int32_t>(source.size());
    const auto T = static_cast<std::int32_t>(target.size());
    REQUIRE(cross.reserve(0, S));
    REQUIRE(self.reserve(0, T));

    const auto positions = [](std::int32_t n) {
      std::vector<std::int32_t> p;
      for (std::int32_t i = 0; i < n; ++i) p.push_back(i);
      return p;
    };
    const std::vector<std::int32_t> sp = positions(S);
    const std::vector<std::int32_t> tp = positions(T);
    const std::vector<SequenceSpan> source_span{{0, S, 0, nullptr}};
    const std::vector<CrossSpan> write{{0, S, S, cross.data()}};
    executor_.run("encoder", {source, sp, {}, source_span, write, {}}, options);
    const BlockTable table = self.data();
    const std::vector<SequenceSpan> target_span{{0, T, 0, &table}};
    const std::vector<CrossSpan> read{{0, T, S, cross.data()}};
    executor_.run("decoder", {target, tp, {}, target_span, read, tp}, options);
    const OutputView logits = executor_.output("logits");
    return {logits.data, logits.data + logits.rows * logits.width};
  }

 private:
  const test::Golden& golden_;
  LoadedModel loaded_;
  CompiledModel model_;
  Executor executor_;
  MemoryBudget budget_;
};

}  // namespace

TEST_CASE("Marian computes what transformers computes, node by node", "[golden]") {
  const std::string name = GENERATE(as<std::string>(), "marian-tiny", "marian-tiny-relu", "marian-tiny-gelu",
                                    "marian-tiny-separate", "marian-tiny-untied");
  const test::Golden golden(name);
  Runner runner(golden);
  INFO(name);
  for (std::size_t input = 0; input < golden.inputs().size(); ++input) runner.check(input);
}

TEST_CASE("a bf16 or 8-bit cache changes the logits of Marian little", "[precision]") {
  const test::Golden golden("marian-tiny");
  for (std::size_t input = 0; input < golden.inputs().size(); ++input) {
    const std::vector<float> exact = Runner(golden).run(input);
    for (const DType cached : {DType::bf16, DType::i8}) {
      INFO("input " << input << ", cache of " << attend::name(cached));
      const std::vector<float> found = Runner(golden, cached).run(input);
      CHECK(found != exact);
      CHECK(test::cosine(exact, found) >= 0.999);
    }
  }
}

}  // namespace attend
