// Row-wise kernels: normalisation, rotation, elementwise sums. Each row is computed by itself, in a fixed
// order: its bits depend on neither the batch nor the number of threads.
#pragma once

#include <cstdint>

#include "engine/graph/attributes.h"

namespace attend {

// y[r] = (x[r] - mean) / sqrt(var + eps) * weight + bias, or with rms: x / sqrt(mean square + eps) * weight.
// x and y are [rows, width] with rows `stride` floats apart and may be the same; bias may be null.
void normalize_rows(Norm::Kind kind, const float* x, float* y, std::int64_t rows, std::int64_t width,
                    std::int64_t stride, float eps, const float* weight, const float* bias);

// y = a + b, `count` floats.
void add_rows(const float* a, const float* b, float* y, std::int64_t count);

// x = act(x), `count` floats.
void activate(Act act, float* x, std::int64_t count);

// x = cap * tanh(x * scale / cap), or x * scale when cap is 0.
void scale_and_cap(float* x, std::int64_t count, float scale, float cap);

// Rotates the first rope.dims elements of `heads` heads of one row (arXiv:2104.09864). `cos` and `sin` are
// [dims / 2], the scale included.
void rotate_row(float* x, std::int64_t heads, std::int64_t head_dim, std::int64_t dims, bool interleaved,
                const float* cos, const float* sin);

}  // namespace attend
