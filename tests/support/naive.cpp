#include "tests/support/naive.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace attend::test {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

std::vector<float> random_floats(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

Matrix to_matrix(std::span<const float> values, std::int64_t width) {
  Matrix m(values.size() / at(width));
  for (std::size_t r = 0; r < m.size(); ++r) {
    const auto row = values.subspan(r * at(width), at(width));
    m[r].assign(row.begin(), row.end());
  }
  return m;
}

double naive_act(Act act, double x) {
  switch (act) {
    case Act::none: return x;
    case Act::relu: return std::max(x, 0.0);
    case Act::gelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Act::gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Act::silu: return x / (1 + std::exp(-x));
    case Act::quick_gelu: return x / (1 + std::exp(-1.702 * x));
    case Act::tanh: return std::tanh(x);
    case Act::sigmoid: return 1 / (1 + std::exp(-x));
  }
  return x;
}

Matrix naive_linear(const Matrix& x, std::span<const float> weight, std::span<const float> bias,
                    std::int64_t out, Act act) {
  Matrix y(x.size(), std::vector<double>(at(out)));
  for (std::size_t r = 0; r < x.size(); ++r) {
    for (std::size_t o = 0; o < at(out); ++o) {
      double sum = bias.empty() ? 0 : static_cast<double>(bias[o]);
      for (std::size_t i = 0; i < x[r].size(); ++i)
        sum += x[r][i] * static_cast<double>(weight[o * x[r].size() + i]);
      y[r][o] = naive_act(act, sum);
    }
  }
  return y;
}

Matrix naive_norm(const Matrix& x, const Norm& norm, std::span<const float> weight,
                  std::span<const float> bias) {
  Matrix y = x;
  for (std::vector<double>& row : y) {
    const auto n = static_cast<double>(row.size());
    double mean = 0;
    if (norm.kind == Norm::layer) {
      for (const double v : row) mean += v / n;
    }
    double square = 0;
    for (const double v : row) square += (v - mean) * (v - mean) / n;
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = (row[i] - mean) / std::sqrt(square + static_cast<double>(norm.eps)) *
                   static_cast<double>(weight[i] + norm.weight_offset) +
               (bias.empty() ? 0.0 : static_cast<double>(bias[i]));
    }
  }
  return y;
}

Matrix naive_attention(const Attention& a, const Matrix& q, const Matrix& keys, const Matrix& values,
                       std::int64_t past) {
  const std::int64_t group = a.heads / a.kv_heads_or_heads();
  Matrix out(q.size(), std::vector<double>(at(a.heads * a.head_dim)));
  for (std::int64_t r = 0; r < static_cast<std::int64_t>(q.size()); ++r) {
    for (std::int64_t h = 0; h < a.heads; ++h) {
      std::vector<double> p(keys.size(), 0.0);
      double max = -1e300;
      for (std::int64_t k = 0; k < static_cast<std::int64_t>(keys.size()); ++k) {
        const std::int64_t position = past + r;
        const bool seen = (a.mask == Mask::none || k <= position) &&
                          (a.window == 0 || a.mask == Mask::none || k > position - a.window) &&
                          (a.window == 0 || a.mask == Mask::causal || std::abs(position - k) <= a.window / 2);
        double s = 0;
        for (std::int64_t i = 0; i < a.head_dim; ++i)
          s += q[at(r)][at(h * a.head_dim + i)] * keys[at(k)][at(h / group * a.head_dim + i)];
        s *= static_cast<double>(a.scale);
        if (a.softcap != 0)
          s = static_cast<double>(a.softcap) * std::tanh(s / static_cast<double>(a.softcap));
        p[at(k)] = seen ? s : -1e300;
        max = std::max(max, p[at(k)]);
      }
      double sum = 0;
      for (double& v : p) sum += v = v <= -1e300 ? 0 : std::exp(v - max);
      for (std::size_t k = 0; k < keys.size(); ++k) {
        for (std::int64_t i = 0; i < a.head_dim; ++i)
          out[at(r)][at(h * a.head_dim + i)] += p[k] / sum * values[k][at(h / group * a.head_dim + i)];
      }
    }
  }
  return out;
}

Matrix naive_cached(const Matrix& x, std::int64_t head_dim, DType dtype) {
  Matrix cached = x;
  for (std::vector<double>& row : cached) {
    for (auto head = row.begin(); head != row.end(); head += head_dim) {
      double largest = 0;
      for (auto v = head; v != head + head_dim; ++v) largest = std::max(largest, std::abs(*v));
      // In f32, or a value half way between two steps would go another way.
      const float factor = 127.0F / static_cast<float>(largest);
      for (auto v = head; v != head + head_dim; ++v) {
        if (dtype == DType::i8 && largest > 0)
          *v = static_cast<double>(std::nearbyint(static_cast<float>(*v) * factor)) * largest / 127;
        if (dtype != DType::bf16 || *v == 0) continue;
        // 8 bits of mantissa, the leading one included.
        const double unit = std::ldexp(1.0, std::ilogb(*v) - 7);
        *v = std::nearbyint(*v / unit) * unit;
      }
    }
  }
  return cached;
}

void naive_rope(Matrix& x, std::int64_t heads, std::int64_t head_dim, const Rope& rope,
                std::span<const std::int32_t> positions) {
  for (std::size_t r = 0; r < x.size(); ++r) {
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < rope.dims / 2; ++i) {
        double& a = x[r][at(h * head_dim + (rope.interleaved ? 2 * i : i))];
        double& b = x[r][at(h * head_dim + (rope.interleaved ? 2 * i + 1 : i + rope.dims / 2))];
        const double angle = positions[r] * static_cast<double>(rope.inv_freq[at(i)]);
        const double c = std::cos(angle) * static_cast<double>(rope.scale);
        const double s = std::sin(angle) * static_cast<double>(rope.scale);
        const double rotated = a * c - b * s;
        b = b * c + a * s;
        a = rotated;
      }
    }
  }
}

double relative_error(std::span<const float> found, const Matrix& expected) {
  double scale = 1e-6;
  double error = 0;
  std::size_t i = 0;
  for (const std::vector<double>& row : expected) {
    for (const double value : row) {
      scale = std::max(scale, std::abs(value));
      error = std::max(error, std::abs(static_cast<double>(found[i++]) - value));
    }
  }
  return i == found.size() && !std::isnan(error) ? error / scale : 1e9;
}

}  // namespace attend::test
