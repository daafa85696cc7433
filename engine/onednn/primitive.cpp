#include "engine/onednn/primitive.h"

namespace attend {
namespace {

using Desc = dnnl::memory::desc;
using DataType = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

dnnl::post_ops make_post_ops(const DenseSpec& spec, const Desc& other) {
  dnnl::post_ops ops;
  if (spec.act != Act::none) {
    const auto [algorithm, alpha] = onednn_activation(spec.act);
    ops.append_eltwise(algorithm, alpha, 0.0F);
  }
  if (spec.combine == DenseSpec::add) ops.append_sum(1.0F);
  if (spec.combine == DenseSpec::multiply) ops.append_binary(dnnl::algorithm::binary_mul, other);
  return ops;
}

DataType source_type(DType weights) {
  return weights == DType::i8 ? DataType::u8 : onednn_type(weights);
}

}  // namespace

std::pair<dnnl::algorithm, float> onednn_activation(Act act) {
  using dnnl::algorithm;
  switch (act) {
    case Act::none: break;
    case Act::relu: return {algorithm::eltwise_relu, 0.0F};
    case Act::gelu: return {algorithm::eltwise_gelu_erf, 0.0F};
    case Act::gelu_tanh: return {algorithm::eltwise_gelu_tanh, 0.0F};
    case Act::silu: return {algorithm::eltwise_swish, 1.0F};
    case Act::quick_gelu: return {algorithm::eltwise_swish, 1.702F};
    case Act::tanh: return {algorithm::eltwise_tanh, 0.0F};
    case Act::sigmoid: return {algorithm::eltwise_logistic, 0.0F};
  }
  return {algorithm::undef, 0.0F};
}

dnnl::memory::data_type onednn_type(DType dtype) {
  switch (dtype) {
    case DType::bf16: return DataType::bf16;
    case DType::i8: return DataType::s8;
    default: return DataType::f32;
  }
}

ProductPrimitive make_product(const dnnl::engine& engine, const DenseSpec& spec, std::int64_t rows,
                              Flavour flavour, const Desc* weights) {
  // Integer sums come out as they are; scales, bias and activation are a pass of their own, because oneDNN
  // 3.2 falls to its reference kernel when the scale differs from row to row.
  const bool integer = spec.weights == DType::i8;
  ProductPrimitive product;
  product.flavour = flavour;
  product.source = Desc({rows, spec.in}, source_type(spec.weights), Tag::ab);
  product.destination =
      Desc({rows, spec.out}, integer ? DataType::s32 : onednn_type(spec.destination), Tag::ab);
  product.other = Desc({rows, spec.out}, DataType::f32, Tag::ab);
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (!integer) attr.set_post_ops(make_post_ops(spec, product.other));
  const bool bias = spec.bias && !integer;
  const auto fill = [&](const auto& pd) {
    product.description = pd;
    product.weights = pd.weights_desc();
    product.scratchpad = pd.scratchpad_desc();
    product.implementation = pd.impl_info_str();
  };
  if (flavour == Flavour::matmul) {
    const Desc any =
        weights != nullptr ? *weights : Desc({spec.in, spec.out}, onednn_type(spec.weights), Tag::any);
    product.bias = Desc({1, spec.out}, DataType::f32, Tag::ab);
    const dnnl::matmul::primitive_desc pd =
        bias ? dnnl::matmul::primitive_desc(engine, product.source, any, product.bias, product.destination,
                                            attr)
             : dnnl::matmul::primitive_desc(engine, product.source, any, product.destination, attr);
    fill(pd);
  } else {
    constexpr auto kInference = dnnl::prop_kind::forward_inference;
    using InnerProduct = dnnl::inner_product_forward;
    const Desc any =
        weights != nullptr ? *weights : Desc({spec.out, spec.in}, onednn_type(spec.weights), Tag::any);
    product.bias = Desc({spec.out}, DataType::f32, Tag::a);
    const InnerProduct::primitive_desc pd =
        bias ? InnerProduct::primitive_desc(engine, kInference, product.source, any, product.bias,
                                            product.destination, attr)
             : InnerProduct::primitive_desc(engine, kInference, product.source, any, product.destination,
                                            attr);
    fill(pd);
  }
  return product;
}

ProductPrimitive choose_product(const dnnl::engine& engine, const DenseSpec& spec) {
  ProductPrimitive matmul = make_product(engine, spec, kLayoutRows, Flavour::matmul, nullptr);
  if (matmul.implementation.starts_with("brg")) return matmul;
  ProductPrimitive inner = make_product(engine, spec, kLayoutRows, Flavour::inner_product, nullptr);
  return inner.implementation.starts_with("brg") ? inner : matmul;
}

}  // namespace attend
