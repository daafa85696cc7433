// A weight matrix in the blocked layout of a oneDNN primitive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <memory>
#include <vector>

#include "engine/kernels/product.h"
#include "engine/onednn/primitive.h"
#include "engine/onednn/weight_memory.h"

namespace attend {

// The blocks of a layout, without data; without blocks when they are none that engine/kernels/product.h could
// know.
PackedMatrix describe_matrix(const ProductPrimitive& product, const DenseSpec& spec);

class BlockedWeights final : public PackedWeights {
 public:
  // Reads all rows from `source`, in pieces, so that a matrix is never in memory twice.
  BlockedWeights(const dnnl::engine& engine, WeightMemory& memory, const ProductPrimitive& product,
                 const DenseSpec& spec, const RowSource& source);

  void gather_row(std::int64_t row, float scale, float* dst) const override;
  std::size_t size_bytes() const override;
  const dnnl::memory& memory() const { return memory_; }
  // For attend's own kernel; without blocks when the layout is none that it could know.
  const PackedMatrix& matrix() const { return matrix_; }
  // Of 8-bit weights, per output: what to multiply with, and the sum of the quantised weights.
  const float* scales() const { return scales_.data(); }
  const std::int32_t* sums() const { return sums_.data(); }

 private:
  struct Words;  // where the 32-bit words of rows lie

  // Dimension that counts the rows (outputs) of the matrix in oneDNN's descriptor.
  int row_dim() const { return transposed_ ? 1 : 0; }
  // The product of the inner blocks of a dimension: the alignment that a sub-range of it must keep.
  std::int64_t block(int dim) const;
  std::int64_t padded(int dim) const;
  // Where elements [0, count) of a dimension lie, relative to the first.
  std::vector<std::int64_t> offsets_of(int dim, std::int64_t count) const;
  bool find_words(Words& words) const;
  void fill(const dnnl::engine& engine, const RowSource& source);
  void pack_rows(const Words& words, std::int64_t first, std::int64_t count, const RowSource& source);
  void reorder_rows(const dnnl::engine& engine, std::int64_t first, std::int64_t count,
                    const RowSource& source);
  // Reads `count` rows, `stride` bytes apart and zero in between, and their scales and sums.
  void read_rows(std::int64_t first, std::int64_t count, std::int64_t stride, const RowSource& source,
                 std::byte* dst);

  std::int64_t in_;
  std::int64_t out_;
  DType dtype_;
  bool transposed_;
  std::size_t bytes_;
  std::shared_ptr<std::byte> buffer_;
  dnnl::memory memory_;
  PackedMatrix matrix_;
  // Where an element lies: kept, because asking a descriptor allocates.
  std::vector<std::int64_t> column_offsets_, row_offsets_;  // within a block
  std::int64_t row_stride_ = 0, column_stride_ = 0;         // between blocks
  std::vector<float> scales_;
  std::vector<std::int32_t> sums_;
};

}  // namespace attend
