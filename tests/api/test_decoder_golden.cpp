// Decoder-only models against transformers: every node in the order in which they run, so that a failure
// names the first node that diverges; and a prompt in pieces against the same in one pass, bit for bit.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <set>
#include <utility>

#include "engine/plan/executor.h"
#include "loaders/load_model.h"
#include "runtime/scheduler/block_pool.h"
#include "tests/api/golden_model.h"

namespace attend {
namespace {

constexpr double kTolerance = 2e-4;  // of the value's scale

// A layer's output is the sum after its last block.
std::string golden_name(const std::string& node) {
  if (node == "lm_head") return "logits";
  for (const std::string& last : {std::string(".mlp.add"), std::string(".post_feedforward_layernorm.add")}) {
    if (node.ends_with(last)) return node.substr(0, node.size() - last.size());
  }
  return node;
}

// Modules inside one of our nodes.
bool within_node(const std::string& name) {
  return name.starts_with("attention.") || name.ends_with(".c_attn") || name.ends_with(".q_norm") ||
         name.ends_with(".k_norm");
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
  explicit Runner(const std::filesystem::path& directory, Precision precision = Precision::f32,
                  DType cached = DType::f32)
      : loaded_(load_model(directory)),
        model_(std::move(loaded_.def), *loaded_.weights, precision, cached),
        executor_(model_, 2) {
    budget_.limit_bytes = std::uint64_t{1} << 30;
    for (const CacheGroup& group : model_.cache().self) {
      pools_.push_back(std::make_unique<BlockPool>(static_cast<std::size_t>(group.block_bytes), budget_));
    }
  }

  // The logits of every token, `chunk` tokens a step; blocks that fell out of a window are given back.
  std::vector<float> logits(const std::vector<std::int32_t>& ids, std::int32_t chunk,
                            const RunOptions& options = {}) {
    std::vector<BlockList> blocks;
    for (const auto& pool : pools_) blocks.emplace_back(*pool);
    std::vector<float> all;
    const auto total = static_cast<std::int32_t>(ids.size());
    for (std::int32_t past = 0; past < total; past += chunk) {
      const std::int32_t rows = std::min(chunk, total - past);
      std::vector<std::int32_t> positions;
      std::vector<std::int32_t> sampled;
      for (std::int32_t r = 0; r < rows; ++r) {
        positions.push_back(past + r);
        sampled.push_back(r);
      }
      std::vector<BlockTable> tables;
      for (std::size_t g = 0; g < blocks.size(); ++g) {
        const std::int64_t window = model_.cache().self[g].window;
        if (window > 0) blocks[g].drop_before(past + 1 - window);
        REQUIRE(blocks[g].reserve(past, rows));
        tables.push_back(blocks[g].data());
      }
      const std::vector<SequenceSpan> span{{0, rows, past, tables.data(), total}};
      const std::span<const std::int32_t> tokens(ids.data() + past, static_cast<std::size_t>(rows));
      executor_.run("decoder", {tokens, positions, {}, span, {}, sampled}, options);
      const OutputView view = executor_.output("logits");
      all.insert(all.end(), view.data, view.data + view.rows * view.width);
    }
    return all;
  }

 private:
  LoadedModel loaded_;
  CompiledModel model_;
  Executor executor_;
  MemoryBudget budget_;
  std::vector<std::unique_ptr<BlockPool>> pools_;
};

}  // namespace

TEST_CASE("decoders compute what transformers computes, node by node", "[golden]") {
  for (const std::string& name : test::decoder_goldens()) {
    INFO(name);
    const test::Golden golden(name);
    Runner runner(golden.directory);
    for (std::size_t input = 0; input < golden.inputs().size(); ++input) {
      const std::string prefix = std::to_string(input) + "/";
      std::set<std::string> checked;
      RunOptions options;
      options.on_node = [&](const NodeView& view) {
        const std::string node = golden_name(std::string(view.name));
        if (!golden.has(prefix + node)) return;
        const std::vector<float> expected = golden.value(prefix + node);
        INFO("input " << input << ", node " << view.name);
        REQUIRE(static_cast<std::int64_t>(expected.size()) == view.rows * view.width);
        REQUIRE(error_of_scale(expected, view.data) < kTolerance);
        checked.insert(node);
      };
      runner.logits(golden.inputs()[input], 1 << 20, options);
      for (const std::string& recorded : golden.names(prefix)) {
        INFO("recorded " << recorded);
        CHECK((within_node(recorded) || checked.contains(recorded)));
      }
    }
  }
}

TEST_CASE("a prompt in chunks gives the bits of one pass", "[invariants]") {
  for (const std::string& name : test::decoder_goldens()) {
    for (const auto& [precision, cached] :
         {std::pair(Precision::f32, DType::f32), std::pair(Precision::bf16, DType::f32),
          std::pair(Precision::int8, DType::f32), std::pair(Precision::f32, DType::bf16),
          std::pair(Precision::f32, DType::i8)}) {
      INFO(name << ", precision " << static_cast<int>(precision) << ", cache of " << attend::name(cached));
      const test::Golden golden(name);
      Runner runner(golden.directory, precision, cached);
      const std::vector<std::int32_t> ids = golden.inputs().back();
      const std::vector<float> whole = runner.logits(ids, 1 << 20);
      for (const std::int32_t chunk : {1, 2, 7, 16}) {
        INFO("chunks of " << chunk);
        CHECK(runner.logits(ids, chunk) == whole);
      }
    }
  }
}

TEST_CASE("bf16 and 8-bit weights change the logits of decoders little", "[precision]") {
  for (const std::string& name : test::decoder_goldens()) {
    const test::Golden golden(name);
    const std::vector<std::int32_t> ids = golden.inputs().back();
    const std::vector<float> exact = Runner(golden.directory).logits(ids, 1 << 20);
    for (const Precision precision : {Precision::bf16, Precision::int8}) {
      INFO(name << ", precision " << static_cast<int>(precision));
      CHECK(test::cosine(exact, Runner(golden.directory, precision).logits(ids, 1 << 20)) >= 0.999);
    }
  }
}

TEST_CASE("a bf16 or 8-bit cache changes the logits of decoders little", "[precision]") {
  for (const std::string& name : test::decoder_goldens()) {
    const test::Golden golden(name);
    const std::vector<std::int32_t> ids = golden.inputs().back();
    const std::vector<float> exact = Runner(golden.directory).logits(ids, 1 << 20);
    for (const DType cached : {DType::bf16, DType::i8}) {
      INFO(name << ", cache of " << attend::name(cached));
      const std::vector<float> found = Runner(golden.directory, Precision::f32, cached).logits(ids, 5);
      CHECK(found != exact);
      CHECK(test::cosine(exact, found) >= 0.999);
    }
  }
}

}  // namespace attend
