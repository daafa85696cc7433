// Tiny random encoders against transformers: every node whose module has a value there, and all outputs.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"
#include "loaders/files/safetensors.h"

namespace attend::test {
namespace {

using Nodes = std::vector<std::pair<std::string, Tensor>>;  // in the order in which they ran

std::filesystem::path goldens() {
  return std::filesystem::path(ATTEND_SOURCE_DIR) / "tests/goldens";
}

std::vector<std::string> encoder_goldens() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(goldens())) {
    std::ifstream file(entry.path() / "meta.json");
    if (!file) continue;
    if (nlohmann::json::parse(file).value("maker", "") == "make_encoders.py")
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Golden {
  explicit Golden(const std::string& name)
      : expected(open_safetensors(goldens() / name / "expected.safetensors")) {
    std::ifstream file(goldens() / name / "expected.json");
    const nlohmann::json json = nlohmann::json::parse(file);
    for (std::size_t i = 0; i < json.at("inputs").size(); ++i) {
      Input input;
      input.ids = json["inputs"][i].get<std::vector<std::int32_t>>();
      if (json.contains("token_type_ids"))
        input.type_ids = json["token_type_ids"][i].get<std::vector<std::int32_t>>();
      inputs.push_back(std::move(input));
    }
  }

  Tensor read(const std::string& name) const {
    const TensorInfo* info = expected->find(name);
    if (info == nullptr) return {};
    Tensor tensor(DType::f32, info->shape);
    expected->read(*info, 0, {tensor.bytes(), tensor.size_bytes()});
    return tensor;
  }

  std::unique_ptr<StoredTensors> expected;
  std::vector<Input> inputs;
};

Model load(const std::string& name, int threads) {
  LoadOptions options;
  options.threads = threads;
  return Model::load(goldens() / name, options);
}

Request probing(const Input& input, Nodes& nodes) {
  Request request;
  request.input = input;
  request.on_node = [&nodes](const NodeValue& value) {
    nodes.emplace_back(std::string(value.node), value.value);
  };
  return request;
}

// The largest difference as a part of the largest expected value.
double difference(const Tensor& found, const Tensor& expected) {
  double scale = 1e-6;
  double worst = 0;
  for (std::size_t i = 0; i < expected.f32().size(); ++i) {
    scale = std::max(scale, std::abs(static_cast<double>(expected.f32()[i])));
    const double error =
        std::abs(static_cast<double>(found.f32()[i]) - static_cast<double>(expected.f32()[i]));
    worst = std::max(worst, std::isnan(error) ? INFINITY : error);
  }
  return worst / scale;
}

TEST_CASE("encoders compute what transformers computes, node by node") {
  const std::string name = GENERATE(from_range(encoder_goldens()));
  DYNAMIC_SECTION(name) {
    const Golden golden(name);
    const Model model = load(name, 1);
    for (std::size_t i = 0; i < golden.inputs.size(); ++i) {
      Nodes nodes;
      const Result result = model.run(probing(golden.inputs[i], nodes));
      std::map<std::string, int> seen;
      int compared = 0;
      for (const auto& [node, value] : nodes) {
        if (seen[node]++ > 0) continue;  // shared layers: the first run is recorded
        const Tensor expected = golden.read(std::to_string(i) + "/" + node);
        if (expected.empty()) continue;
        INFO("input " << i << ", node " << node << ", first node that differs");
        REQUIRE(value.shape().elements() == expected.shape().elements());
        REQUIRE(difference(value, expected) < 2e-4);
        ++compared;
      }
      CHECK(compared > 0);
      for (const char* output :
           {"logits", "start_logits", "end_logits", "last_hidden_state", "pooler_output"}) {
        const Tensor expected = golden.read(std::to_string(i) + "/" + output);
        if (expected.empty()) continue;
        INFO("output " << output);
        REQUIRE(seen.contains(output));
        const auto found =
            std::find_if(nodes.begin(), nodes.end(), [&](const auto& n) { return n.first == output; });
        CHECK(found->second.shape() == expected.shape());
      }
    }
  }
}

// Runs all inputs at once and returns what the outputs were, bit by bit.
std::vector<Nodes> run_together(const Model& model, const std::vector<Input>& inputs) {
  std::vector<Nodes> nodes(inputs.size());
  std::vector<Request> requests;
  for (std::size_t i = 0; i < inputs.size(); ++i) requests.push_back(probing(inputs[i], nodes[i]));
  for (const Result& result : model.run(std::move(requests))) CHECK_FALSE(result.error);
  return nodes;
}

bool same_bits(const Nodes& a, const Nodes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.shape() == y.second.shape() &&
           std::equal(x.second.f32().begin(), x.second.f32().end(), y.second.f32().begin());
  });
}

TEST_CASE("an encoder's values depend neither on the batch nor on the threads") {
  const std::string name = GENERATE(from_range(encoder_goldens()));
  if (name.find("-tiny-") != std::string::npos && name.find("groups") == std::string::npos) return;
  DYNAMIC_SECTION(name) {
    std::vector<Input> inputs = Golden(name).inputs;
    const std::size_t own = inputs.size();
    for (std::size_t i = 0; i < 3 * own; ++i) inputs.push_back(inputs[i % own]);
    const Model one = load(name, 1);
    const std::vector<Nodes> together = run_together(load(name, 2), inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Nodes alone;
      one.run(probing(inputs[i], alone));
      INFO("input " << i);
      CHECK(same_bits(alone, together[i]));
    }
  }
}

}  // namespace
}  // namespace attend::test
