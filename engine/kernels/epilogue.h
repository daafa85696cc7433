// What becomes of the sums of a matrix product: scales, bias, activation, and the matrix it is combined with.
#pragma once

#include <cstdint>

#include "attend/dtype.h"
#include "engine/graph/attributes.h"
#include "engine/onednn/dense.h"

namespace attend {

// y = act(sums + bias), combined as the spec says. Integer sums, of 8-bit weights and activations, first
// become row_scale * weight_scale * (sums - zero * weight_sum).
struct Epilogue {
  const float* row_scales = nullptr;          // [rows]; null: the sums are floats
  const float* weight_scales = nullptr;       // [width]
  const std::int32_t* weight_sums = nullptr;  // [width]
  const float* bias = nullptr;                // [width], or null
  std::int32_t zero = 0;                      // what 0 was quantised to
  Act act = Act::none;
  DenseSpec::Combine combine = DenseSpec::none;
  const float* other = nullptr;    // [rows, width], to multiply with
  DType destination = DType::f32;  // of y: or bf16, rounded to the nearest
};

}  // namespace attend
