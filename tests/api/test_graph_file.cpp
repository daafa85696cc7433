// Models that bring their own graph: what no architecture covers, against values computed in NumPy; and every
// golden under its exported graph, bit for bit.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"
#include "attend/inspect.h"
#include "tests/api/golden_model.h"
#include "tests/api/node_values.h"
#include "tests/support/temporary_directory.h"

namespace attend {
namespace {

namespace fs = std::filesystem;

// All goldens that config.json describes.
std::vector<fs::path> described_goldens() {
  std::vector<fs::path> models;
  for (const auto& entry : fs::directory_iterator(test::goldens())) {
    if (fs::exists(entry.path() / "config.json")) models.push_back(entry.path());
  }
  std::sort(models.begin(), models.end());
  return models;
}

// The golden's weights beside its exported graph, without config.json.
void make_graph_model(const fs::path& golden, const fs::path& directory) {
  for (const auto& entry : fs::directory_iterator(golden)) {
    const std::string name = entry.path().filename();
    if (name != "config.json" && !name.starts_with("expected.")) fs::copy(entry.path(), directory / name);
  }
  std::ofstream(directory / "graph.json") << model_graph_json(golden);
}

}  // namespace

TEST_CASE("graphs that no architecture covers compute what NumPy computes", "[graph][golden]") {
  for (const char* name : {"graph-parallel-tiny", "graph-mean-tiny"}) {
    INFO(name);
    const test::Golden golden(name);
    const Model model = Model::load(golden.directory, {.threads = 2});
    for (std::size_t i = 0; i < golden.inputs().size(); ++i) {
      const test::Run found =
          test::run_nodes(model, golden.inputs()[i], model.info().task == "text-generation" ? 1 : 0);
      const std::string prefix = std::to_string(i) + "/";
      std::map<std::string, std::vector<float>> first;
      for (const auto& [node, values] : found.nodes) first.emplace(node, values);
      for (const std::string& node : golden.names(prefix)) {
        INFO("input " << i << ", node " << node);
        std::vector<float> expected = golden.value(prefix + node);
        REQUIRE(first.contains(node));
        const std::vector<float>& values = first[node];
        // A decoder's logits are those of the last row of the prompt.
        if (values.size() < expected.size())
          expected.erase(expected.begin(), expected.end() - static_cast<std::ptrdiff_t>(values.size()));
        REQUIRE(values.size() == expected.size());
        float scale = 1e-6F;
        float error = 0;
        for (std::size_t k = 0; k < values.size(); ++k) {
          scale = std::max(scale, std::abs(expected[k]));
          error = std::max(error, std::abs(expected[k] - values[k]));
        }
        CHECK(error <= 1e-5F * scale);
      }
    }
    for (const auto& row : golden.expected.value("generation", nlohmann::json::array())) {
      Request request;
      request.input.ids = golden.inputs()[row["input"].get<std::size_t>()];
      CHECK(model.run(std::move(request)).sequences.at(0).output_ids ==
            row["results"][0]["output_ids"].get<std::vector<std::int32_t>>());
    }
  }
}

TEST_CASE("a chunked prompt, beams and a batch agree on a graph of one's own", "[graph][invariants]") {
  const test::Golden golden("graph-parallel-tiny");
  const Model one = Model::load(golden.directory, {.threads = 1});
  const Model two = Model::load(golden.directory, {.threads = 2});
  std::vector<Request> batch;
  for (const auto& ids : golden.inputs()) {
    Request request;
    request.input.ids = ids;
    batch.push_back(request);
  }
  const std::vector<Result> together = two.run(batch);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    CHECK(together[i].sequences.at(0).output_ids == one.run(batch[i]).sequences.at(0).output_ids);
  }
}

TEST_CASE("a golden under its exported graph gives the same bits at every node", "[graph]") {
  const auto goldens = described_goldens();
  REQUIRE(goldens.size() > 50);
  for (const fs::path& golden : goldens) {
    INFO(golden.filename().string());
    const test::TemporaryDirectory directory;
    make_graph_model(golden, directory.path());
    const Model built_in = Model::load(golden, {.threads = 1});
    const Model graph = Model::load(directory.path(), {.threads = 1});
    CHECK(graph.info().architecture == built_in.info().architecture);
    CHECK(graph.info().tasks == built_in.info().tasks);
    CHECK(graph.info().parameters == built_in.info().parameters);
    CHECK(graph.info().weights_bytes == built_in.info().weights_bytes);
    test::check_same(built_in, graph);
  }
}

TEST_CASE("inspecting plans what loading takes", "[inspect]") {
  for (const char* name : {"llama-tiny", "marian-tiny", "bert-tiny", "gpt2-tiny", "graph-parallel-tiny"}) {
    INFO(name);
    const Inspection inspection = inspect_model(test::goldens() / name, {.threads = 1});
    CHECK(inspection.supported);
    CHECK(inspection.problems.empty());
    const Model model = Model::load(test::goldens() / name, {.threads = 1});
    CHECK(inspection.info.parameters == model.info().parameters);
    CHECK(inspection.info.tasks == model.info().tasks);
    CHECK(inspection.info.max_input_tokens == model.info().max_input_tokens);
    CHECK(inspection.memory.cache_bytes_per_token == model.info().cache_bytes_per_token);
    CHECK(inspection.memory.weights_file_bytes == model.info().weights_file_bytes);
    CHECK(inspection.memory.weights_bytes <= model.info().weights_bytes);  // packing rounds up
    CHECK(inspection.memory.weights_bytes * 4 > model.info().weights_bytes);
    std::int64_t tensors = 0;
    for (const TensorGroup& group : inspection.tensors) tensors += group.parameters;
    CHECK(tensors >= inspection.info.parameters);
  }
}

}  // namespace attend
