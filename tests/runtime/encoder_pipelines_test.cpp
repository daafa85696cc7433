// Directories with tokenizer files, from text to result: what Hugging Face's pipelines and
// sentence-transformers answered for them (tests/goldens/make_pipelines.py).
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "tests/runtime/tasks/recorded.h"

namespace attend::test {
namespace {

using Json = nlohmann::json;

std::filesystem::path goldens() {
  return std::filesystem::path(ATTEND_SOURCE_DIR) / "tests/goldens/pipelines";
}

std::vector<std::string> directories() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(goldens()))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<Json> recorded(const std::string& name) {
  std::ifstream file(goldens() / name / "expected.json");
  return Json::parse(file).at("cases").get<std::vector<Json>>();
}

Request request_of(const Json& item) {
  Request request;
  request.task = item.at("task");
  request.input = input_of(item);
  request.task_options = options_of(item.at("options"));
  return request;
}

Model load(const std::string& name, int threads) {
  LoadOptions options;
  options.threads = threads;
  return Model::load(goldens() / name, options);
}

TEST_CASE("directories answer as the pipelines that were recorded for them") {
  const std::string name = GENERATE(from_range(directories()));
  DYNAMIC_SECTION(name) {
    const Model model = load(name, 1);
    const std::vector<Json> cases = recorded(name);
    REQUIRE_FALSE(cases.empty());
    for (const Json& item : cases) {
      INFO(item.at("text") << " with " << item.at("options").dump());
      CHECK(difference(model.run(request_of(item)).value, item.at("expected")) == "");
    }
  }
}

TEST_CASE("a checkpoint that says how sentences are embedded is there for that") {
  CHECK(load("bert-base", 1).info().task == "sentence-embedding");
  CHECK(load("bert-seq", 1).info().task == "text-classification");
}

TEST_CASE("a task's results depend neither on the batch nor on the threads") {
  const std::string name = GENERATE(from_range(directories()));
  DYNAMIC_SECTION(name) {
    const std::vector<Json> cases = recorded(name);
    std::vector<Request> requests;
    for (int i = 0; i < 3; ++i) {
      for (const Json& item : cases) requests.push_back(request_of(item));
    }
    const std::vector<Result> together = load(name, 2).run(requests);
    const Model one = load(name, 1);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      INFO("request " << i);
      REQUIRE_FALSE(together[i].error);
      CHECK(one.run(requests[i]).value.json() == together[i].value.json());
    }
  }
}

}  // namespace
}  // namespace attend::test
