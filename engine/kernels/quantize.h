// Conversions around products of lower precision: rows to bf16, rows to 8 bits and integer sums back to f32.
//
// Dynamic quantisation, one scale per row of activations and one per output of the weights (Dettmers et al.
// 2022, arXiv:2208.07339, vector-wise): y[r, n] = row_scale[r] * weight_scale[n] * (sum - zero *
// weight_sum[n]). Each row is computed by itself: its bits depend on neither the batch nor the number of
// threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attend/dtype.h"
#include "engine/kernels/epilogue.h"

namespace attend {

// y = x rounded to bf16, to the nearest and ties to even; `count` elements.
void round_to_bf16(const float* x, std::int64_t count, std::uint16_t* y);

// q = round(x / scale) + levels + 1 with scale = max |x| / levels, for each row of [rows, width]; a row that
// holds an infinity or NaN gets the scale NaN.
void quantize_rows(const float* x, std::int64_t rows, std::int64_t width, int levels, std::uint8_t* q,
                   float* row_scales);

// q = round(w / scale) with scale = max |w| / 127, for each row of [rows, width]; a row that holds an
// infinity or NaN gets the scale NaN. On the calling thread.
void quantize_weights(const float* w, std::int64_t rows, std::int64_t width, std::int8_t* q, float* scales);
// [rows, width] in another precision: f32, bf16, or i8, which alone has `scales`.
void convert_weights(DType dtype, const float* w, std::int64_t rows, std::int64_t width, std::byte* dst,
                     float* scales);
// The sums of the rows.
void sum_weights(const std::int8_t* q, std::int64_t rows, std::int64_t width, std::int32_t* sums);

// The epilogue of integer sums, [rows, width] of i32; they may be where y is, unless y is added to.
void dequantize_rows(const void* sums, std::int64_t rows, std::int64_t width, const Epilogue& how, float* y);

}  // namespace attend
