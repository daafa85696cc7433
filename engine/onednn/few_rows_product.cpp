#include "engine/onednn/few_rows_product.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <set>
#include <vector>

#include "engine/onednn/primitive.h"

namespace attend {
namespace {

// oneDNN cuts long sums at one of these; its AVX2 kernels cut off the last, partial group of 8 inputs.
constexpr std::int64_t kChunks[] = {512, 1024, 2048};
constexpr std::int64_t kInputBlock = 8;

// As bits; the bits of a NaN mean nothing.
bool same(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y) || (x != x && y != y);
  });
}

// Activations other than these are oneDNN's own, whose polynomials give its bits.
bool inline_activation(Act act) {
  return act == Act::none || act == Act::relu;
}

}  // namespace

FewRowsProduct::FewRowsProduct(const dnnl::engine& engine, const DenseSpec& spec, std::int64_t chunk)
    : stream_(engine), spec_(spec), chunk_(chunk) {
  if (inline_activation(spec.act)) return;
  const auto [algorithm, alpha] = onednn_activation(spec.act);
  for (std::int64_t rows = 1; rows <= kFewRows; ++rows) {
    const dnnl::memory::desc desc({rows, spec.out}, dnnl::memory::data_type::f32,
                                  dnnl::memory::format_tag::ab);
    const dnnl::eltwise_forward::primitive_desc pd(engine, dnnl::prop_kind::forward_inference, algorithm,
                                                   desc, desc, alpha);
    activations_.push_back({dnnl::eltwise_forward(pd), dnnl::memory(desc, engine, nullptr)});
  }
}

void FewRowsProduct::run(const PackedMatrix& weights, const float* bias, std::int64_t rows, const void* x,
                         float* dst, const float* other) {
  const bool finished = inline_activation(spec_.act);
  const auto combine = [&](std::int64_t at, std::int64_t count, const float* value) {
    for (std::int64_t i = at; i < at + count; ++i, ++value) {
      if (spec_.combine == DenseSpec::add) dst[i] += *value;
      if (spec_.combine == DenseSpec::multiply) dst[i] = *value * other[i];
      if (spec_.combine == DenseSpec::none) dst[i] = *value;
    }
  };
  const auto take = [&](std::int64_t row, std::int64_t first, std::int64_t count, const float* sums) {
    float values[kMostBlockOutputs];
    std::copy_n(sums, count, values);
    if (spec_.bias) {
      for (std::int64_t i = 0; i < count; ++i) values[i] += bias[first + i];
    }
    if (spec_.act == Act::relu) {
      for (std::int64_t i = 0; i < count; ++i) values[i] = std::max(values[i], 0.0F);
    }
    const std::int64_t at = row * spec_.out + first;
    if (finished) return combine(at, count, values);
    std::copy_n(values, count, dst + at);
  };
  multiply_few_rows(weights, x, rows, chunk_, std::ref(take));
  if (finished) return;
  activate(rows, dst);
  if (spec_.combine == DenseSpec::multiply) combine(0, rows * spec_.out, dst);
}

void FewRowsProduct::activate(std::int64_t rows, float* x) {
  Activation& activation = activations_[static_cast<std::size_t>(rows - 1)];
  activation.memory.set_data_handle(x);
  const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, activation.memory.get(true)},
                                  {DNNL_ARG_DST, activation.memory.get(true)}};
  dnnl_primitive_execute(activation.primitive.get(), stream_.get(), 2, args);
}

FewRowsOrder find_few_rows_order(const dnnl::engine& engine, const DenseSpec& spec,
                                 const PackedMatrix& weights, const float* bias, const void* x,
                                 std::span<const float> dst, const float* other,
                                 std::span<const float> expected) {
  // The sum must come after the activation, in a place of its own.
  if (!has_few_rows_kernel(weights) || (spec.combine == DenseSpec::add && !inline_activation(spec.act)))
    return {.known = true};
  std::set<std::int64_t> chunks{spec.in};
  for (const std::int64_t chunk : kChunks) chunks.insert(std::min(chunk, spec.in));
  if (spec.in > kInputBlock) chunks.insert(spec.in / kInputBlock * kInputBlock);
  std::vector<std::int64_t> equal;
  for (const std::int64_t chunk : chunks) {
    std::vector<float> y(dst.begin(), dst.end());
    FewRowsProduct(engine, spec, chunk).run(weights, bias, 1, x, y.data(), other);
    if (same(y, expected)) equal.push_back(chunk);
  }
  if (equal.size() > 1) return {};
  return {.known = true, .chunk = equal.empty() ? 0 : equal.front()};
}

}  // namespace attend
