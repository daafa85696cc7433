// What attention needs to know of the distance between a query and a key: biases by bucket (T5, MPNet) and
// projected embeddings of distances (DeBERTa), prepared once and laid out by distance for a run.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/graph/attributes.h"
#include "engine/kernels/attention.h"
#include "engine/nodes/kernel.h"

namespace attend {

class RelativePositions {
 public:
  RelativePositions() = default;
  // `qkv` is the layer's fused projection: embeddings without projections of their own go through it.
  RelativePositions(PrepareContext& context, const Attention& op, const DenseLayer& qkv);

  // Tables in the run's scratch, for distances between up to `max_keys` tokens.
  RelativeTerms expand(RunContext& context, std::int64_t max_keys) const;

 private:
  std::int64_t bucket(std::int64_t distance) const;  // row of the tables; distance = key - query
  float* spread(RunContext& context, const std::vector<float>& table, std::int64_t width,
                const RelativeTerms& terms) const;

  Attention op_;
  std::vector<float> bias_;     // [buckets][heads]
  std::vector<float> keys_;     // [2 * span][heads * head_dim]
  std::vector<float> queries_;  // the same
};

// Bucket of the distance key - query, as T5 and MPNet count them.
std::int64_t relative_bucket(const RelativeBias& bias, std::int64_t distance);

// Row of DeBERTa's embeddings for the distance key - query.
std::int64_t disentangled_row(const Disentangled& positions, std::int64_t distance);

}  // namespace attend
