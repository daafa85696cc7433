#include "engine/onednn/dense.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <dnnl.hpp>
#include <map>
#include <optional>
#include <utility>

#include "attend/error.h"
#include "attend/tensor.h"

namespace attend {
namespace {

using Desc = dnnl::memory::desc;
using DataType = dnnl::memory::data_type;
using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;

// Rows for which the layout of the weights is chosen; it serves all others.
constexpr std::int64_t kLayoutRows = 256;
// oneDNN's AVX2 inner product cuts sums over more than 512 inputs in another way from about 88 rows on, and
// the bits change with it. Longer batches run as several of at most this many rows: same bits, same speed.
constexpr std::int64_t kExactInputs = 512;
constexpr std::int64_t kExactRows = 64;
// Staging for packing, so that a matrix is never in memory twice.
constexpr std::int64_t kStagingFloats = std::int64_t{1} << 20;

// Which of oneDNN's primitives computes the products. AVX-512 has a blocked matmul; on AVX2 only the inner
// product is blocked, and matmul falls to a column-major gemm that reads the weights at a fifth of the
// bandwidth and whose bits depend on M.
enum class Flavour { matmul, inner_product };

struct Descriptor {
  Flavour flavour = Flavour::inner_product;
  dnnl::primitive primitive;
  Desc weights;
  Desc scratchpad;
  std::string implementation;
};

dnnl::post_ops make_post_ops(const DenseSpec& spec, const Desc& dst) {
  using dnnl::algorithm;
  dnnl::post_ops ops;
  switch (spec.act) {
    case Act::none: break;
    case Act::relu: ops.append_eltwise(algorithm::eltwise_relu, 0.0F, 0.0F); break;
    case Act::gelu: ops.append_eltwise(algorithm::eltwise_gelu_erf, 0.0F, 0.0F); break;
    case Act::gelu_tanh: ops.append_eltwise(algorithm::eltwise_gelu_tanh, 0.0F, 0.0F); break;
    case Act::silu: ops.append_eltwise(algorithm::eltwise_swish, 1.0F, 0.0F); break;
    case Act::quick_gelu: ops.append_eltwise(algorithm::eltwise_swish, 1.702F, 0.0F); break;
    case Act::tanh: ops.append_eltwise(algorithm::eltwise_tanh, 0.0F, 0.0F); break;
    case Act::sigmoid: ops.append_eltwise(algorithm::eltwise_logistic, 0.0F, 0.0F); break;
  }
  if (spec.combine == DenseSpec::add) ops.append_sum(1.0F);
  if (spec.combine == DenseSpec::multiply) ops.append_binary(algorithm::binary_mul, dst);
  return ops;
}

Descriptor describe(const dnnl::engine& engine, const DenseSpec& spec, std::int64_t rows, Flavour flavour,
                    const Desc* weights) {
  const Desc src({rows, spec.in}, DataType::f32, Tag::ab);
  const Desc dst({rows, spec.out}, DataType::f32, Tag::ab);
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_post_ops(make_post_ops(spec, dst));
  Descriptor result;
  result.flavour = flavour;
  const auto fill = [&](const auto& pd, auto&& primitive) {
    result.primitive = std::forward<decltype(primitive)>(primitive);
    result.weights = pd.weights_desc();
    result.scratchpad = pd.scratchpad_desc();
    result.implementation = pd.impl_info_str();
  };
  if (flavour == Flavour::matmul) {
    const Desc any = weights != nullptr ? *weights : Desc({spec.in, spec.out}, DataType::f32, Tag::any);
    const Desc bias({1, spec.out}, DataType::f32, Tag::ab);
    const dnnl::matmul::primitive_desc pd =
        spec.bias ? dnnl::matmul::primitive_desc(engine, src, any, bias, dst, attr)
                  : dnnl::matmul::primitive_desc(engine, src, any, dst, attr);
    fill(pd, dnnl::matmul(pd));
  } else {
    constexpr auto kInference = dnnl::prop_kind::forward_inference;
    using InnerProduct = dnnl::inner_product_forward;
    const Desc any = weights != nullptr ? *weights : Desc({spec.out, spec.in}, DataType::f32, Tag::any);
    const Desc bias({spec.out}, DataType::f32, Tag::a);
    const InnerProduct::primitive_desc pd =
        spec.bias ? InnerProduct::primitive_desc(engine, kInference, src, any, bias, dst, attr)
                  : InnerProduct::primitive_desc(engine, kInference, src, any, dst, attr);
    fill(pd, InnerProduct(pd));
  }
  return result;
}

Descriptor choose(const dnnl::engine& engine, const DenseSpec& spec) {
  Descriptor matmul = describe(engine, spec, kLayoutRows, Flavour::matmul, nullptr);
  if (matmul.implementation.starts_with("brg")) return matmul;
  Descriptor inner = describe(engine, spec, kLayoutRows, Flavour::inner_product, nullptr);
  return inner.implementation.starts_with("brg") ? inner : matmul;
}

class BlockedWeights final : public PackedWeights {
 public:
  BlockedWeights(const dnnl::engine& engine, const Descriptor& descriptor, std::int64_t in, std::int64_t out,
                 const RowSource& source)
      : in_(in),
        out_(out),
        transposed_(descriptor.flavour == Flavour::matmul),
        buffer_(Tensor(DType::u8, {static_cast<std::int64_t>(descriptor.weights.get_size())})),
        memory_(descriptor.weights, engine, buffer_.bytes()) {
    std::memset(buffer_.bytes(), 0, buffer_.size_bytes());
    fill(engine, source);
    make_offsets();
  }

  void gather_row(std::int64_t row, float scale, float* dst) const override {
    const auto* base = reinterpret_cast<const float*>(buffer_.bytes()) + row_offset(row);
    for (std::int64_t i = 0; i < in_; ++i)
      dst[i] = base[column_offsets_[static_cast<std::size_t>(i)]] * scale;
  }
  std::size_t size_bytes() const override { return buffer_.size_bytes(); }
  const dnnl::memory& memory() const { return memory_; }

 private:
  // Dimension that counts the rows (outputs) of the matrix in oneDNN's descriptor.
  int row_dim() const { return transposed_ ? 1 : 0; }

  // The product of the inner blocks of a dimension: the alignment that a sub-range of it must keep.
  std::int64_t block(int dim) const {
    const Desc desc = memory_.get_desc();
    std::int64_t product = 1;
    const auto blocks = desc.get_inner_blks();
    const auto dims = desc.get_inner_idxs();
    for (std::size_t i = 0; i < blocks.size(); ++i) product *= dims[i] == dim ? blocks[i] : 1;
    return product;
  }

  void fill(const dnnl::engine& engine, const RowSource& source) {
    const std::int64_t align = block(row_dim());
    const std::int64_t step =
        std::max(align, kStagingFloats / std::max<std::int64_t>(in_, 1) / align * align);
    std::vector<float> staging(static_cast<std::size_t>(std::min(step, out_) * in_));
    dnnl::stream stream(engine);
    for (std::int64_t first = 0; first < out_; first += step) {
      const std::int64_t rows = std::min(step, out_ - first);
      source(first, rows, staging.data());
      const auto dims = [&](std::int64_t r) { return transposed_ ? Dims{in_, r} : Dims{r, in_}; };
      const Desc plain(dims(rows), DataType::f32, transposed_ ? Tag::ba : Tag::ab);
      const Desc part =
          memory_.get_desc().submemory_desc(dims(rows), transposed_ ? Dims{0, first} : Dims{first, 0});
      dnnl::memory from(plain, engine, staging.data());
      dnnl::memory to(part, engine, buffer_.bytes());
      dnnl::reorder(from, to).execute(stream, from, to);
      stream.wait();
    }
  }

  std::int64_t offset_of(int dim, std::int64_t index) const {
    const Desc desc = memory_.get_desc();
    const auto blocks = desc.get_inner_blks();
    const auto dims = desc.get_inner_idxs();
    std::int64_t offset = 0;
    std::int64_t stride = 1;
    for (std::size_t i = blocks.size(); i-- > 0;) {
      if (dims[i] == dim) {
        offset += index % blocks[i] * stride;
        index /= blocks[i];
      }
      stride *= blocks[i];
    }
    return offset + index * desc.get_strides()[static_cast<std::size_t>(dim)];
  }

  std::int64_t row_offset(std::int64_t row) const { return offset_of(row_dim(), row); }

  void make_offsets() {
    column_offsets_.reserve(static_cast<std::size_t>(in_));
    for (std::int64_t i = 0; i < in_; ++i) column_offsets_.push_back(offset_of(1 - row_dim(), i));
  }

  std::int64_t in_;
  std::int64_t out_;
  bool transposed_;
  Tensor buffer_;
  dnnl::memory memory_;
  std::vector<std::int64_t> column_offsets_;
};

// oneDNN's exceptions, as attend's.
template <typename F>
decltype(auto) rethrow_as_error(const DenseSpec& spec, F&& body) {
  try {
    return body();
  } catch (const dnnl::error& e) {
    throw Error("ONEDNN", "linear " + std::to_string(spec.in) + " -> " + std::to_string(spec.out),
                std::string("oneDNN refused the product: ") + e.what(), ErrorCategory::internal);
  }
}

}  // namespace

std::int64_t bucket_rows(std::int64_t rows) {
  const auto up = [&](std::int64_t multiple) { return (rows + multiple - 1) / multiple * multiple; };
  if (rows <= 8) return rows;
  if (rows <= 64) return up(4);
  return rows <= 256 ? up(8) : up(32);
}

struct DenseLibrary::Impl {
  struct Entry {
    DenseSpec spec;
    Descriptor descriptor;
  };
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::vector<Entry> entries;
};

DenseLibrary::DenseLibrary() : impl_(std::make_unique<Impl>()) {}
DenseLibrary::~DenseLibrary() = default;

int DenseLibrary::add(const DenseSpec& spec, int layout_of) {
  auto& entries = impl_->entries;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].spec == spec) return static_cast<int>(i);
  }
  entries.push_back(rethrow_as_error(spec, [&] {
    if (layout_of < 0) return Impl::Entry{spec, choose(impl_->engine, spec)};
    const Descriptor& base = entries[static_cast<std::size_t>(layout_of)].descriptor;
    return Impl::Entry{spec, describe(impl_->engine, spec, kLayoutRows, base.flavour, &base.weights)};
  }));
  return static_cast<int>(entries.size()) - 1;
}

std::shared_ptr<const PackedWeights> DenseLibrary::pack(int spec, const RowSource& source) {
  const Impl::Entry& entry = impl_->entries[static_cast<std::size_t>(spec)];
  return rethrow_as_error(entry.spec, [&] {
    return std::make_shared<const BlockedWeights>(impl_->engine, entry.descriptor, entry.spec.in,
                                                  entry.spec.out, source);
  });
}

const std::string& DenseLibrary::implementation(int spec) const {
  return impl_->entries[static_cast<std::size_t>(spec)].descriptor.implementation;
}

struct DenseExecutor::Impl {
  // A primitive for one number of rows, and the memory objects that its arguments are set in.
  struct Prepared {
    dnnl::primitive primitive;
    dnnl::memory src, bias, dst, scratchpad;
    std::string implementation;
  };
  const DenseLibrary::Impl* library;
  dnnl::stream stream;
  std::vector<std::map<std::int64_t, Prepared>> prepared;  // per spec, by bucket
  std::optional<Tensor> scratch;

  explicit Impl(const DenseLibrary::Impl* lib)
      : library(lib), stream(lib->engine), prepared(lib->entries.size()) {}

  void run(int spec, const PackedWeights& weights, const float* bias, std::int64_t rows, const float* src,
           float* dst, const float* other);

  std::int64_t rows_at_once(int spec, std::int64_t rows) const {
    const auto& [s, descriptor] = library->entries[static_cast<std::size_t>(spec)];
    const bool cut = descriptor.flavour == Flavour::inner_product && s.in > kExactInputs;
    return cut ? std::min(kExactRows, rows) : std::max<std::int64_t>(rows, 1);
  }

  Prepared& get(int spec_id, std::int64_t rows) {
    auto& buckets = prepared[static_cast<std::size_t>(spec_id)];
    const auto found = buckets.find(rows);
    if (found != buckets.end()) return found->second;
    const auto& [spec, chosen] = library->entries[static_cast<std::size_t>(spec_id)];
    return rethrow_as_error(spec, [&, &s = spec, &c = chosen]() -> Prepared& {
      const Descriptor d = describe(library->engine, s, rows, c.flavour, &c.weights);
      const auto memory = [&](const Desc& desc) { return dnnl::memory(desc, library->engine, nullptr); };
      const std::size_t needed = d.scratchpad.get_size();
      if (!scratch || scratch->size_bytes() < needed)
        scratch.emplace(DType::u8, Shape{static_cast<std::int64_t>(needed)});
      const Desc bias = c.flavour == Flavour::matmul ? Desc({1, s.out}, DataType::f32, Tag::ab)
                                                     : Desc({s.out}, DataType::f32, Tag::a);
      return buckets
          .emplace(rows, Prepared{d.primitive, memory(Desc({rows, s.in}, DataType::f32, Tag::ab)),
                                  memory(bias), memory(Desc({rows, s.out}, DataType::f32, Tag::ab)),
                                  memory(d.scratchpad), d.implementation})
          .first->second;
    });
  }
};

DenseExecutor::DenseExecutor(const DenseLibrary& library)
    : impl_(std::make_unique<Impl>(library.impl_.get())) {}
DenseExecutor::~DenseExecutor() = default;

void DenseExecutor::run(int spec, const PackedWeights& weights, const float* bias, std::int64_t rows,
                        const float* src, float* dst, const float* other) {
  const DenseSpec& s = impl_->library->entries[static_cast<std::size_t>(spec)].spec;
  const std::int64_t step = impl_->rows_at_once(spec, rows);
  for (std::int64_t first = 0; first < rows; first += step) {
    impl_->run(spec, weights, bias, std::min(step, rows - first), src + first * s.in, dst + first * s.out,
               other == nullptr ? nullptr : other + first * s.out);
  }
}

const std::string& DenseExecutor::implementation(int spec, std::int64_t rows) const {
  static const std::string kNone = "none";
  const auto& buckets = impl_->prepared[static_cast<std::size_t>(spec)];
  const auto found = buckets.find(bucket_rows(impl_->rows_at_once(spec, rows)));
  return found == buckets.end() ? kNone : found->second.implementation;
}

void DenseExecutor::Impl::run(int spec, const PackedWeights& weights, const float* bias, std::int64_t rows,
                              const float* src, float* dst, const float* other) {
  const DenseSpec& s = library->entries[static_cast<std::size_t>(spec)].spec;
  Prepared& p = get(spec, bucket_rows(rows));
  p.src.set_data_handle(const_cast<float*>(src));
  p.dst.set_data_handle(dst);
  p.scratchpad.set_data_handle(scratch->bytes());
  std::array<dnnl_exec_arg_t, 6> args{};
  int count = 0;
  const auto add = [&](int arg, const dnnl::memory& memory) {
    args[static_cast<std::size_t>(count++)] = {arg, memory.get(true)};
  };
  add(DNNL_ARG_SRC, p.src);
  add(DNNL_ARG_WEIGHTS, static_cast<const BlockedWeights&>(weights).memory());
  add(DNNL_ARG_DST, p.dst);
  add(DNNL_ARG_SCRATCHPAD, p.scratchpad);
  if (s.bias) {
    p.bias.set_data_handle(const_cast<float*>(bias));
    add(DNNL_ARG_BIAS, p.bias);
  }
  dnnl::memory multiplier;
  if (s.combine == DenseSpec::multiply) {
    multiplier = dnnl::memory(p.dst.get_desc(), library->engine, const_cast<float*>(other));
    add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(s.act == Act::none ? 0 : 1) | DNNL_ARG_SRC_1, multiplier);
  }
  const dnnl_status_t status = dnnl_primitive_execute(p.primitive.get(), stream.get(), count, args.data());
  if (status != dnnl_success) {
    throw Error("ONEDNN", "linear", "oneDNN status " + std::to_string(static_cast<int>(status)),
                ErrorCategory::internal);
  }
}

}  // namespace attend
