// Names of tensors: what is tied, what is only said to be.
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "engine/model/checkpoint.h"
#include "tests/support/memory_store.h"

namespace attend::test {
namespace {

std::string name_of(const TensorInfo* tensor) {
  return tensor == nullptr ? "none" : tensor->name;
}

TEST_CASE("a tied matrix that is stored under one name serves both") {
  MemoryStore store;
  store.add("lm_head.weight", {2, 1}, {1, 2});
  Checkpoint checkpoint(store);
  checkpoint.tie({"embeddings.weight", "lm_head.weight"});
  CHECK(name_of(checkpoint.require("embeddings.weight", {2, 1})) == "lm_head.weight");
  CHECK(name_of(checkpoint.require("lm_head.weight", {2, 1})) == "lm_head.weight");
  CHECK(checkpoint.finish().empty());
}

TEST_CASE("a tied matrix that is stored twice is one matrix") {
  MemoryStore store;
  store.add("embeddings.weight", {2, 1}, {1, 2});
  store.add("lm_head.weight", {2, 1}, {1, 2});
  Checkpoint checkpoint(store);
  checkpoint.tie({"embeddings.weight", "lm_head.weight"});
  CHECK(name_of(checkpoint.use("lm_head.weight")) == "embeddings.weight");
  CHECK(checkpoint.finish().empty());
}

TEST_CASE("matrices that should be tied and have different values each stay their own") {
  MemoryStore store;
  store.add("embeddings.weight", {2, 1}, {1, 2});
  store.add("lm_head.weight", {2, 1}, {1, 3});
  Checkpoint checkpoint(store);
  checkpoint.tie({"embeddings.weight", "lm_head.weight"});
  CHECK(name_of(checkpoint.use("embeddings.weight")) == "embeddings.weight");
  CHECK(checkpoint.finish().size() == 1);  // the other one is not used yet
  CHECK(name_of(checkpoint.use("lm_head.weight")) == "lm_head.weight");
  CHECK(checkpoint.finish().empty());
}

}  // namespace
}  // namespace attend::test
