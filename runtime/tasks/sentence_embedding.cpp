#include "runtime/tasks/sentence_embedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include "attend/error.h"
#include "runtime/tasks/scores.h"

namespace attend {
namespace {

// T tokens, D width; `first` is the first token that is not the prompt's.
struct Hidden {
  std::span<const float> values;  // [T, D]
  std::int64_t tokens, width, first;
  std::span<const float> row(std::int64_t t) const {
    return values.subspan(static_cast<std::size_t>(t * width), static_cast<std::size_t>(width));
  }
};

constexpr double kMinWeight = 1e-9;     // clamp of the pooling's divisor
constexpr double kMinNorm = 1e-12;      // clamp of the normalisation's divisor
constexpr double kLayerNormEps = 1e-5;  // torch.nn.LayerNorm's default, which sentence-transformers uses
constexpr float kMaskedForMax = -1e9F;  // what max pooling sees in place of a masked token

std::vector<double> weighted_sum(const Hidden& h, bool by_position) {
  std::vector<double> sum(static_cast<std::size_t>(h.width), 0.0);
  for (std::int64_t t = h.first; t < h.tokens; ++t) {
    const double weight = by_position ? static_cast<double>(t + 1) : 1.0;
    const auto row = h.row(t);
    for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += weight * row[d];
  }
  return sum;
}

void append_scaled(std::vector<float>& out, const std::vector<double>& sum, double divisor) {
  for (const double value : sum) out.push_back(static_cast<float>(value / divisor));
}

void append_max(std::vector<float>& out, const Hidden& h) {
  for (std::int64_t d = 0; d < h.width; ++d) {
    float best = h.first > 0 ? kMaskedForMax : h.values[static_cast<std::size_t>(d)];
    for (std::int64_t t = h.first; t < h.tokens; ++t) {
      best = std::max(best, h.row(t)[static_cast<std::size_t>(d)]);
    }
    out.push_back(best);
  }
}

std::vector<float> pool(const Pooling& pooling, std::span<const float> hidden, std::int64_t tokens,
                        std::int64_t width, std::int32_t prompt_tokens) {
  const std::int64_t first = pooling.include_prompt ? 0 : std::clamp<std::int64_t>(prompt_tokens, 0, tokens);
  const Hidden h{hidden, tokens, width, first};
  std::vector<float> out;
  if (pooling.cls_token) out.insert(out.end(), h.row(0).begin(), h.row(0).end());
  if (pooling.max_tokens) append_max(out, h);
  const auto counted = static_cast<double>(tokens - first);
  if (pooling.mean_tokens) append_scaled(out, weighted_sum(h, false), std::max(counted, kMinWeight));
  if (pooling.mean_sqrt_len_tokens) {
    append_scaled(out, weighted_sum(h, false), std::sqrt(std::max(counted, kMinWeight)));
  }
  if (pooling.weightedmean_tokens) {
    double weights = 0;
    for (std::int64_t t = first; t < tokens; ++t) weights += static_cast<double>(t + 1);
    append_scaled(out, weighted_sum(h, true), std::max(weights, kMinWeight));
  }
  if (pooling.lasttoken) {
    if (first == tokens) {
      out.insert(out.end(), static_cast<std::size_t>(width), 0.0F);
    } else {
      out.insert(out.end(), h.row(tokens - 1).begin(), h.row(tokens - 1).end());
    }
  }
  if (out.empty()) {
    throw Error("EMBEDDING_CONFIG", "1_Pooling/config.json",
                "expected at least one pooling_mode_* that is true, found none");
  }
  return out;
}

[[noreturn]] void width_error(std::string_view module, std::int64_t expected, std::size_t found) {
  throw Error("EMBEDDING_CONFIG", "modules.json",
              fmt::format("{} expects vectors of {} numbers, found {}", module, expected, found));
}

std::vector<float> run_dense(const DenseModule& dense, const std::vector<float>& x) {
  const auto in = static_cast<std::size_t>(std::max<std::int64_t>(dense.in_features, 0));
  const auto out = static_cast<std::size_t>(std::max<std::int64_t>(dense.out_features, 0));
  if (x.size() != in || in == 0 || dense.weight.size() / in != out || dense.weight.size() % in != 0) {
    width_error("Dense", dense.in_features, x.size());
  }
  if (!dense.bias.empty() && dense.bias.size() != out)
    width_error("Dense.bias", dense.out_features, dense.bias.size());
  std::vector<float> y(out);
  for (std::size_t o = 0; o < out; ++o) {
    double sum = dense.bias.empty() ? 0.0 : dense.bias[o];
    for (std::size_t i = 0; i < in; ++i) sum += static_cast<double>(dense.weight[o * in + i]) * x[i];
    y[o] = static_cast<float>(apply_embedding_activation(dense.activation, sum));
  }
  return y;
}

std::vector<float> run_layer_norm(const LayerNormModule& norm, std::vector<float> x) {
  if (norm.weight.size() != x.size() || norm.bias.size() != x.size()) {
    width_error("LayerNorm", static_cast<std::int64_t>(norm.weight.size()), x.size());
  }
  double mean = 0;
  for (const float value : x) mean += value;
  mean /= static_cast<double>(x.size());
  double variance = 0;
  for (const float value : x) variance += (value - mean) * (value - mean);
  variance /= static_cast<double>(x.size());
  const double scale = 1.0 / std::sqrt(variance + kLayerNormEps);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>((x[i] - mean) * scale * norm.weight[i] + norm.bias[i]);
  }
  return x;
}

std::string describe(const Pooling& pooling) {
  std::string modes;
  const auto add = [&](bool on, std::string_view name) {
    if (on) modes += (modes.empty() ? "" : "+") + std::string(name);
  };
  add(pooling.cls_token, "cls");
  add(pooling.max_tokens, "max");
  add(pooling.mean_tokens, "mean");
  add(pooling.mean_sqrt_len_tokens, "mean_sqrt_len_tokens");
  add(pooling.weightedmean_tokens, "weightedmean");
  add(pooling.lasttoken, "lasttoken");
  return modes + " pooling";
}

}  // namespace

double apply_embedding_activation(EmbeddingActivation activation, double x) {
  switch (activation) {
    case EmbeddingActivation::identity: return x;
    case EmbeddingActivation::tanh: return std::tanh(x);
    case EmbeddingActivation::relu: return x > 0 ? x : 0.0;
    case EmbeddingActivation::gelu: return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    case EmbeddingActivation::sigmoid: return tasks::sigmoid(x);
    case EmbeddingActivation::silu: return x * tasks::sigmoid(x);
  }
  return x;
}

std::string describe(const SentenceEmbeddingConfig& config) {
  std::string text;
  for (const EmbeddingModule& module : config.modules) {
    if (!text.empty()) text += ", ";
    if (const auto* pooling = std::get_if<Pooling>(&module)) {
      text += describe(*pooling);
    } else if (const auto* dense = std::get_if<DenseModule>(&module)) {
      text += fmt::format("dense {} -> {}", dense->in_features, dense->out_features);
    } else if (std::holds_alternative<LayerNormModule>(module)) {
      text += "layer norm";
    } else {
      text += "normalize";
    }
  }
  return text;
}

std::vector<float> sentence_embedding(std::span<const float> hidden, std::int64_t tokens, std::int64_t width,
                                      const SentenceEmbeddingConfig& config, std::int32_t prompt_tokens) {
  if (config.modules.empty() || !std::holds_alternative<Pooling>(config.modules.front())) {
    throw Error("EMBEDDING_CONFIG", "modules.json",
                "expected a Pooling module directly after the transformer, found another or none");
  }
  std::vector<float> x;
  for (const EmbeddingModule& module : config.modules) {
    if (const auto* pooling = std::get_if<Pooling>(&module)) {
      if (!x.empty())
        throw Error("EMBEDDING_CONFIG", "modules.json", "expected one Pooling module, found two");
      x = pool(*pooling, hidden, tokens, width, prompt_tokens);
    } else if (const auto* dense = std::get_if<DenseModule>(&module)) {
      x = run_dense(*dense, x);
    } else if (const auto* norm = std::get_if<LayerNormModule>(&module)) {
      x = run_layer_norm(*norm, std::move(x));
    } else {
      normalize_embedding(x);
    }
  }
  return x;
}

void normalize_embedding(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  const double norm = std::max(std::sqrt(squares), kMinNorm);
  for (float& value : vector) value = static_cast<float>(value / norm);
}

double embedding_similarity(std::span<const float> a, std::span<const float> b,
                            std::string_view similarity_fn_name) {
  if (a.size() != b.size()) width_error("similarity", static_cast<std::int64_t>(a.size()), b.size());
  double dot = 0, squares_a = 0, squares_b = 0, squares_diff = 0, abs_diff = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    squares_a += x * x;
    squares_b += y * y;
    squares_diff += (x - y) * (x - y);
    abs_diff += std::abs(x - y);
  }
  if (similarity_fn_name == "cosine") {
    return dot / (std::max(std::sqrt(squares_a), kMinNorm) * std::max(std::sqrt(squares_b), kMinNorm));
  }
  if (similarity_fn_name == "dot") return dot;
  if (similarity_fn_name == "euclidean") return -std::sqrt(squares_diff);
  if (similarity_fn_name == "manhattan") return -abs_diff;
  throw Error("EMBEDDING_CONFIG", "similarity_fn_name",
              fmt::format("expected cosine, dot, euclidean or manhattan, found \"{}\"", similarity_fn_name));
}

}  // namespace attend
