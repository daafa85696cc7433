// What the requests of a step want to see or change of its attention nodes. A step that has none pays
// nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "engine/kernels/attention.h"

namespace attend {

// Takes what a node computes for some rows.
struct AttentionProbe {
  int node = -1;  // index in the graph that runs
  AttentionWeightsSink weights;
  // [.., width]: the rows that the node read, from row `first_input` on; null: not wanted.
  float* inputs = nullptr;
  std::int64_t first_input = 0;
};

// Multiplies what a head mixed for some rows, before the output projection; 0 masks the head.
struct HeadScaling {
  int node = -1;
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
  std::int64_t head = 0;
  float scale = 0.0F;
};

// Queries that are no rows of the step, over the keys and values of one of its sequences (or, in
// cross-attention, of its source).
struct OwnQueries {
  int node = -1;
  std::int32_t row = 0;  // any row of the sequence
  std::int32_t count = 0;
  const float* states = nullptr;  // [count, width], or [count, heads * head_dim] when `projected`
  bool projected = false;         // the states are queries already: no projection, norm or rotation
  std::int32_t position = 0;      // at which all of them stand; cross-attention has none
  AttentionWeightsSink weights;   // its rows are the queries
  float* values = nullptr;        // [count, heads * head_dim]: what every head mixed
};

struct AttentionHooks {
  // Each ordered by node.
  std::span<const AttentionProbe> probes;
  std::span<const HeadScaling> scalings;
  std::span<const OwnQueries> queries;

  bool empty() const { return probes.empty() && scalings.empty() && queries.empty(); }

  // Those of one node.
  AttentionHooks of(int node) const {
    return {of_node(probes, node), of_node(scalings, node), of_node(queries, node)};
  }

 private:
  template <typename Hook>
  static std::span<const Hook> of_node(std::span<const Hook> hooks, int node) {
    const auto range = std::ranges::equal_range(hooks, node, {}, &Hook::node);
    return {range.begin(), range.end()};
  }
};

}  // namespace attend
