// A product of a few rows on the kernel of engine/kernels/few_rows.h instead of oneDNN's primitive, which
// reads weights of f32 and bf16 at 70 to 85 % of the speed of memory (`attend profile` shows it; those of 8
// bits at 90 %). Rows must
// not depend on their batch, so the kernel stands in only where its bits were seen to equal the primitive's.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <span>
#include <vector>

#include "engine/kernels/few_rows.h"
#include "engine/onednn/dense.h"

namespace attend {

class FewRowsProduct {
 public:
  // `chunk`: the order of the sums, see multiply_few_rows().
  FewRowsProduct(const dnnl::engine& engine, const DenseSpec& spec, std::int64_t chunk);

  // x [rows, in] in the type of the weights; dst and other [rows, out] as in DenseExecutor::run.
  void run(const PackedMatrix& weights, const float* bias, std::int64_t rows, const void* x, float* dst,
           const float* other);

 private:
  void activate(std::int64_t rows, float* x);

  struct Activation {
    dnnl::primitive primitive;
    dnnl::memory memory;
  };

  dnnl::stream stream_;
  DenseSpec spec_;
  std::int64_t chunk_;
  std::vector<Activation> activations_;  // of one row, two and so on; none where it needs no primitive
};

// What is known of a product: nothing yet, or the order of sums that gives the primitive's bits, or that none
// does.
struct FewRowsOrder {
  bool known = false;
  std::int64_t chunk = 0;  // 0: none
};

// Compares every order that oneDNN is known to use with `expected`, [1, out], which the primitive computed
// from x [1, in], in the type of the weights, and dst and other of [1, out]. Weights from which the orders
// cannot be told apart, such as all zeros, leave the order unknown.
FewRowsOrder find_few_rows_order(const dnnl::engine& engine, const DenseSpec& spec,
                                 const PackedMatrix& weights, const float* bias, const void* x,
                                 std::span<const float> dst, const float* other,
                                 std::span<const float> expected);

}  // namespace attend
