// The oneDNN primitive that computes a product, and the layout in which it wants its weights.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <string>
#include <utility>

#include "attend/error.h"
#include "engine/onednn/dense.h"

namespace attend {

// Which of oneDNN's primitives computes a product. AVX-512 has a blocked matmul; on AVX2 only the inner
// product is blocked, and matmul falls to a column-major gemm that reads the weights at a fifth of the
// bandwidth and whose bits depend on M.
enum class Flavour : std::uint8_t { matmul, inner_product };

// Rows for which the layout of the weights is chosen; it serves all others.
constexpr std::int64_t kLayoutRows = 256;

struct ProductPrimitive {
  Flavour flavour = Flavour::inner_product;
  dnnl::primitive_desc description;
  dnnl::memory::desc source, weights, bias, destination, other, scratchpad;
  std::string implementation;
};

// What computes `rows` rows, of weights in the layout that `weights` describes, or in any if null. Its code
// is not generated before a primitive is made of the description. Throws dnnl::error when there is none.
ProductPrimitive make_product(const dnnl::engine& engine, const DenseSpec& spec, std::int64_t rows,
                              Flavour flavour, const dnnl::memory::desc* weights);

// The flavour that this machine does best, with the layout that serves every number of rows.
ProductPrimitive choose_product(const dnnl::engine& engine, const DenseSpec& spec);

// oneDNN's algorithm for an activation, other than none, and its alpha.
std::pair<dnnl::algorithm, float> onednn_activation(Act act);

// oneDNN's type for a weight element.
dnnl::memory::data_type onednn_type(DType dtype);

// oneDNN's exceptions, as attend's.
template <typename F>
decltype(auto) rethrow_as_error(const DenseSpec& spec, F&& body) {
  try {
    return std::forward<F>(body)();
  } catch (const dnnl::error& e) {
    throw Error("ONEDNN", "linear " + std::to_string(spec.in) + " -> " + std::to_string(spec.out),
                std::string("oneDNN refused the product: ") + e.what(), ErrorCategory::internal);
  }
}

}  // namespace attend
