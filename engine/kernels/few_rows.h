// Products of a few rows with packed weights: what decoding few sequences and reading short texts needs. The
// weights stream through once, at the speed of memory; all rows are computed while a part of them is near.
//
// The order of each sum is fixed and stated, so that a row's bits can equal those of another implementation:
// the products of `chunk` consecutive inputs are added one after the other, starting from zero, with fused
// multiply-adds (pairs with VDPBF16PS for bf16); then the sums of the chunks are added in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "attend/dtype.h"

namespace attend {

// Weights in blocks of outputs; a block holds, for one group of inputs after the other, the weights of all
// its outputs side by side. A group is one input in f32, a pair in bf16.
struct PackedMatrix {
  const std::byte* data = nullptr;
  std::int64_t in = 0;
  std::int64_t out = 0;
  DType dtype = DType::f32;
  std::int64_t block_outputs = 0;
  std::int64_t block_bytes = 0;  // from one block to the next
};

// The most rows that the kernel takes. From about here on oneDNN is as fast.
constexpr std::int64_t kFewRows = 3;
constexpr std::int64_t kMostBlockOutputs = 64;

// Whether this machine has the kernel for a matrix of such type and blocks.
bool has_few_rows_kernel(const PackedMatrix& weights);

// Takes the sums of outputs [first, first + count) of a row. Called from several threads at once.
using TakeSums =
    std::function<void(std::int64_t row, std::int64_t first, std::int64_t count, const float* sums)>;

// x is [rows, in], contiguous, rows <= kFewRows: in the type of the weights.
void multiply_few_rows(const PackedMatrix& weights, const void* x, std::int64_t rows, std::int64_t chunk,
                       const TakeSums& take);

}  // namespace attend
