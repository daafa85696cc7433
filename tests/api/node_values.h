// A request run with every node's values, for comparisons of two models bit by bit.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"

namespace attend::test {

struct Run {
  std::vector<std::pair<std::string, std::vector<float>>> nodes;
  Result result;
};

// `beams` > 0: generates 6 tokens.
inline Run run_nodes(const Model& model, const std::vector<std::int32_t>& ids, int beams = 0) {
  Run run;
  Request request;
  request.input.ids = ids;
  request.on_node = [&run](const NodeValue& value) {
    const auto values = value.value.f32();
    run.nodes.emplace_back(std::string(value.node), std::vector<float>(values.begin(), values.end()));
  };
  if (beams > 0) {
    request.generation = model.generation();
    request.generation->max_new_tokens = 6;
    request.generation->num_beams = beams;
  }
  run.result = model.run(std::move(request));
  return run;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline bool generates(const Model& model) {
  return model.info().task == "text-generation" || model.info().task == "translation";
}

// The same bits at every node and in what is generated, greedily and with beams; the first node that differs
// is named.
inline void check_same(const Model& expected, const Model& found) {
  for (const int beams : generates(expected) ? std::vector<int>{1, 3} : std::vector<int>{0}) {
    const Run a = run_nodes(expected, {5, 6, 7, 8, 9, 4}, beams);
    const Run b = run_nodes(found, {5, 6, 7, 8, 9, 4}, beams);
    REQUIRE(a.nodes.size() == b.nodes.size());
    CHECK_FALSE(a.nodes.empty());
    for (std::size_t n = 0; n < a.nodes.size(); ++n) {
      INFO(a.nodes[n].first);
      CHECK(a.nodes[n].first == b.nodes[n].first);
      CHECK(same_bits(a.nodes[n].second, b.nodes[n].second));
    }
    REQUIRE(a.result.sequences.size() == b.result.sequences.size());
    for (std::size_t s = 0; s < a.result.sequences.size(); ++s) {
      CHECK(a.result.sequences[s].output_ids == b.result.sequences[s].output_ids);
      CHECK(a.result.sequences[s].score == b.result.sequences[s].score);
    }
  }
}

}  // namespace attend::test
