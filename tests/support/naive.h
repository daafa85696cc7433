// Slow, obvious versions of what the engine computes, in double, one row at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attend/dtype.h"
#include "engine/graph/attributes.h"

namespace attend::test {

using Matrix = std::vector<std::vector<double>>;

// Of the standard normal distribution; equal seeds, equal values.
std::vector<float> random_floats(std::int64_t count, unsigned seed);
Matrix to_matrix(std::span<const float> values, std::int64_t width);
double naive_act(Act act, double x);
// x [rows, in], weight [out, in] row-major, bias [out] or empty.
Matrix naive_linear(const Matrix& x, std::span<const float> weight, std::span<const float> bias,
                    std::int64_t out, Act act = Act::none);
Matrix naive_norm(const Matrix& x, const Norm& norm, std::span<const float> weight,
                  std::span<const float> bias);
// q [rows, heads * d] at positions past, past + 1, ...; keys and values [keys, kv_heads * d].
Matrix naive_attention(const Attention& attributes, const Matrix& q, const Matrix& keys, const Matrix& values,
                       std::int64_t past);
// Keys or values [rows, heads * d] as a cache of this type gives them back: f32, bf16 (to the nearest, ties
// to even) or i8 with the scale max |x| / 127 for each row of each head.
Matrix naive_cached(const Matrix& x, std::int64_t head_dim, DType dtype);
// Rotates `heads` heads of every row; row i stands at `positions[i]`.
void naive_rope(Matrix& x, std::int64_t heads, std::int64_t head_dim, const Rope& rope,
                std::span<const std::int32_t> positions);

// Largest absolute difference, relative to the largest magnitude of `expected`.
double relative_error(std::span<const float> found, const Matrix& expected);

}  // namespace attend::test
