#include "engine/nodes/relative_positions.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "attend/tensor.h"
#include "engine/kernels/rows.h"

namespace attend {
namespace {

// rows [count, width] times the layer, in memory that the products can pad.
std::vector<float> project(PrepareContext& context, const DenseLayer& layer, const std::vector<float>& rows,
                           std::int64_t width, std::int64_t out) {
  const std::int64_t count = static_cast<std::int64_t>(rows.size()) / width;
  const std::int64_t padded = bucket_rows(count);
  Tensor x = Tensor::zeros(DType::f32, {padded, width});
  Tensor y = Tensor::zeros(DType::f32, {padded, out});
  std::copy(rows.begin(), rows.end(), reinterpret_cast<float*>(x.bytes()));
  DenseExecutor(context.library)
      .run(layer.spec, *layer.weights, layer.bias_or_null(), count, reinterpret_cast<const float*>(x.bytes()),
           reinterpret_cast<float*>(y.bytes()));
  const auto* first = reinterpret_cast<const float*>(y.bytes());
  return {first, first + count * out};
}

// Columns [first, first + count) of rows of `width`.
std::vector<float> columns(const std::vector<float>& rows, std::size_t width, std::size_t first,
                           std::size_t count) {
  std::vector<float> part;
  part.reserve(rows.size() / width * count);
  for (std::size_t at = first; at < rows.size(); at += width) {
    part.insert(part.end(), rows.begin() + static_cast<std::ptrdiff_t>(at),
                rows.begin() + static_cast<std::ptrdiff_t>(at + count));
  }
  return part;
}

}  // namespace

std::int64_t relative_bucket(const RelativeBias& bias, std::int64_t distance) {
  std::int64_t buckets = bias.buckets;
  std::int64_t first = 0;
  std::int64_t n = -distance;
  if (bias.bidirectional) {
    buckets /= 2;
    if (n < 0) first = buckets;
    n = std::abs(n);
  } else {
    n = std::max<std::int64_t>(n, 0);
  }
  const std::int64_t exact = buckets / 2;
  if (n < exact) return first + n;
  // In f32 and in this order, as the reference rounds.
  const float part =
      std::log(static_cast<float>(n) / static_cast<float>(exact)) /
      static_cast<float>(std::log(static_cast<double>(bias.max_distance) / static_cast<double>(exact))) *
      static_cast<float>(buckets - exact);
  return first + std::min(exact + static_cast<std::int64_t>(part), buckets - 1);
}

std::int64_t disentangled_row(const Disentangled& positions, std::int64_t distance) {
  std::int64_t place = -distance;  // query - key
  const std::int64_t mid = positions.buckets / 2;
  if (positions.buckets > 0 && std::abs(place) > mid) {
    const float ratio = std::log(static_cast<float>(std::abs(place)) / static_cast<float>(mid)) /
                        std::log(static_cast<float>(positions.max_distance - 1) / static_cast<float>(mid));
    const auto far = static_cast<std::int64_t>(std::ceil(ratio * static_cast<float>(mid - 1))) + mid;
    place = place < 0 ? -far : far;
  }
  return std::clamp<std::int64_t>(place + positions.span, 0, 2 * positions.span - 1);
}

RelativePositions::RelativePositions(PrepareContext& context, const Attention& op, const DenseLayer& qkv)
    : op_(op) {
  const Node& node = context.node();
  if (op.relative_bias) bias_ = context.weights.vector(node, "relative_bias");
  if (!op.disentangled) return;
  const Disentangled& d = *op.disentangled;
  const std::int64_t width = context.input(0).width;
  const std::int64_t out = op.heads * op.head_dim;
  std::vector<float> rows = context.weights.vector(node, "positions");
  if (node.weight("positions_norm.weight") != nullptr) {
    const std::vector<float> weight = context.weights.vector(node, "positions_norm.weight");
    const std::vector<float> bias = context.weights.vector(node, "positions_norm.bias");
    normalize_rows(Norm::layer, rows.data(), rows.data(), 2 * d.span, width, width, d.norm_eps, weight.data(),
                   bias.data());
  }
  const bool pos_key = node.weight("pos_key.weight") != nullptr;
  const bool pos_query = node.weight("pos_query.weight") != nullptr;
  std::vector<float> own;
  if ((d.content_to_position && !pos_key) || (d.position_to_content && !pos_query))
    own = project(context, qkv, rows, width, 3 * out);
  const auto part = [&](const char* role, bool named, std::size_t first) {
    if (!named) return columns(own, static_cast<std::size_t>(3 * out), first, static_cast<std::size_t>(out));
    return project(context, context.weights.dense(node, {role}, width, Act::none), rows, width, out);
  };
  if (d.content_to_position) keys_ = part("pos_key", pos_key, static_cast<std::size_t>(out));
  if (d.position_to_content) queries_ = part("pos_query", pos_query, 0);
}

std::int64_t RelativePositions::bucket(std::int64_t distance) const {
  return op_.relative_bias ? relative_bucket(*op_.relative_bias, distance)
                           : disentangled_row(*op_.disentangled, distance);
}

float* RelativePositions::spread(RunContext& context, const std::vector<float>& table, std::int64_t width,
                                 const RelativeTerms& terms) const {
  float* spread = context.scratch(width * terms.columns);
  for (std::int64_t c = 0; c < terms.columns; ++c) {
    const float* row = table.data() + bucket(c - terms.center) * width;
    for (std::int64_t i = 0; i < width; ++i) spread[i * terms.columns + c] = row[i];
  }
  return spread;
}

RelativeTerms RelativePositions::expand(RunContext& context, std::int64_t max_keys) const {
  RelativeTerms terms;
  terms.center = max_keys - 1;
  terms.columns = 2 * max_keys - 1 + kBlockTokens;
  if (!bias_.empty()) terms.bias = spread(context, bias_, op_.heads, terms);
  const std::int64_t width = op_.heads * op_.head_dim;
  if (!keys_.empty()) terms.keys = spread(context, keys_, width, terms);
  if (!queries_.empty()) terms.queries = spread(context, queries_, width, terms);
  return terms;
}

}  // namespace attend
