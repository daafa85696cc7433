// Matrix products with packed weights: y[M, out] = act(x[M, in] W^T + b), optionally added to or multiplied
// with another matrix. Each runs on attend's own kernel or on the oneDNN primitive that this machine does
// best.
//
// Weights are packed once, in the layout that the primitive asks for, and one layout serves every M. Rows
// come out bit-identical whatever M, their position and the number of threads: a row's result never depends
// on its batch. (Measured: oneDNN 3.2, brgemm kernels; tests/engine/test_dense.cpp checks it on the machine
// at hand.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attend/dtype.h"
#include "engine/graph/attributes.h"

namespace attend {

struct DenseSpec {
  enum Combine : std::uint8_t {
    none,
    add,       // y += : the destination holds the other summand
    multiply,  // y = act(...) * other
  };
  std::int64_t in = 0;
  std::int64_t out = 0;
  bool bias = false;
  Act act = Act::none;
  Combine combine = none;
  // f32; bf16: the source is rounded to bf16 too, sums are f32; i8: dynamic quantisation, see
  // engine/kernels/quantize.h.
  DType weights = DType::f32;
  // The types of the rows that are read and written: f32, or bf16 where the weights are, so that what one
  // product hands to the next is rounded once and moved by halves. Not with `add`.
  DType source = DType::f32;
  DType destination = DType::f32;
  bool operator==(const DenseSpec&) const = default;
};

// Fills rows [first, first + count) of a weight matrix [out, in], in the precision in which it is packed; of
// i8, also the scales of these rows. Called from several threads at once.
using RowSource = std::function<void(std::int64_t first, std::int64_t count, std::byte* dst, float* scales)>;
// Rows of f32 as a source of another precision.
RowSource converted_rows(DType weights, std::int64_t in,
                         std::function<void(std::int64_t first, std::int64_t count, float* dst)> rows);

// A weight matrix in the layout and precision of its product. Immutable.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
  // Copies row `row` [in], scaled, to `dst`: an embedding that shares the output matrix of the model.
  virtual void gather_row(std::int64_t row, float scale, float* dst) const = 0;
  virtual std::size_t size_bytes() const = 0;
};

// The row counts for which primitives exist: the buffers of a product must hold bucket_rows(M) rows.
std::int64_t bucket_rows(std::int64_t rows);

// The products of one model. Filled while the model is prepared, const and shared afterwards.
class DenseLibrary {
 public:
  DenseLibrary();
  ~DenseLibrary();
  DenseLibrary(const DenseLibrary&) = delete;
  DenseLibrary& operator=(const DenseLibrary&) = delete;

  // Equal specs share their primitives. With `layout_of`, the id of a spec of the same sizes, the weights
  // keep that spec's layout. Throws Error when oneDNN has no primitive for it.
  int add(const DenseSpec& spec, int layout_of = -1);
  // Runs on all OpenMP threads; what `source` throws is thrown on.
  std::shared_ptr<const PackedWeights> pack(int spec, const RowSource& source);
  // oneDNN's name of the implementation: "brgemm:avx2".
  const std::string& implementation(int spec) const;
  const DenseSpec& spec(int spec) const;
  // The precision of its weights.
  DType weights(int spec) const { return this->spec(spec).weights; }
  // Whether products of this shape are better computed with such weights than with f32: for bf16, whether
  // this machine has instructions for it that are not slower (on some Xeons they are), which is measured
  // once.
  bool prefers(DType weights, std::int64_t in, std::int64_t out) const;

 private:
  friend class DenseExecutor;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs products for one thread of control; primitives are created on first use of a bucket and kept.
class DenseExecutor {
 public:
  explicit DenseExecutor(const DenseLibrary& library);
  ~DenseExecutor();
  DenseExecutor(const DenseExecutor&) = delete;
  DenseExecutor& operator=(const DenseExecutor&) = delete;

  // src [rows, in] and dst [rows, out] of the spec's types, other [rows, out] of f32 or null, all contiguous
  // with room for bucket_rows(rows).
  void run(int spec, const PackedWeights& weights, const float* bias, std::int64_t rows, const void* src,
           void* dst, const float* other = nullptr);
  // oneDNN's name of what runs this many rows, which must have run before.
  const std::string& implementation(int spec, std::int64_t rows) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attend
