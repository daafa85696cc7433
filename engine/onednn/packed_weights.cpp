#include "engine/onednn/packed_weights.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/kernels/quantize.h"

namespace attend {
namespace {

using Desc = dnnl::memory::desc;
using DataType = dnnl::memory::data_type;
using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;

constexpr std::int64_t kStagingFloats = std::int64_t{1} << 20;

}  // namespace

BlockedWeights::BlockedWeights(const dnnl::engine& engine, const ProductPrimitive& product,
                               const DenseSpec& spec, const RowSource& source)
    : in_(spec.in),
      out_(spec.out),
      dtype_(spec.weights),
      transposed_(product.flavour == Flavour::matmul),
      buffer_(Tensor(DType::u8, {static_cast<std::int64_t>(product.weights.get_size())})),
      memory_(product.weights, engine, buffer_.bytes()) {
  std::memset(buffer_.bytes(), 0, buffer_.size_bytes());
  if (dtype_ == DType::i8) {
    scales_.resize(static_cast<std::size_t>(out_));
    sums_.resize(static_cast<std::size_t>(out_));
  }
  fill(engine, source);
  make_offsets();
  describe();
}

void BlockedWeights::gather_row(std::int64_t row, float scale, float* dst) const {
  const std::int64_t base = offset_of(row_dim(), row);
  const auto gather = [&](const auto* elements, auto&& to_float) {
    for (std::int64_t i = 0; i < in_; ++i)
      dst[i] = to_float(elements[base + column_offsets_[static_cast<std::size_t>(i)]]) * scale;
  };
  switch (dtype_) {
    case DType::i8:
      scale *= scales_[static_cast<std::size_t>(row)];
      gather(reinterpret_cast<const std::int8_t*>(buffer_.bytes()),
             [](std::int8_t q) { return static_cast<float>(q); });
      break;
    case DType::bf16:
      gather(reinterpret_cast<const std::uint16_t*>(buffer_.bytes()),
             [](std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); });
      break;
    default: gather(reinterpret_cast<const float*>(buffer_.bytes()), [](float w) { return w; });
  }
}

std::size_t BlockedWeights::size_bytes() const {
  return buffer_.size_bytes() + scales_.size() * sizeof(float) + sums_.size() * sizeof(std::int32_t);
}

void BlockedWeights::describe() {
  const Desc desc = memory_.get_desc();
  const auto blocks = desc.get_inner_blks();
  const auto dims = desc.get_inner_idxs();
  const auto strides = desc.get_strides();
  const int out = row_dim();
  const int in = 1 - out;
  const auto group = static_cast<std::int64_t>(sizeof(float) / attend::size_bytes(dtype_));
  matrix_ = {.data = buffer_.bytes(), .in = in_, .out = out_, .dtype = dtype_};
  const bool grouped =
      group == 1 ? dims.size() == 2 : dims.size() == 3 && dims[2] == in && blocks[2] == group;
  if (!grouped || dims[0] != in || dims[1] != out) return;
  if (strides[static_cast<std::size_t>(in)] != blocks[0] * blocks[1] * group) return;
  matrix_.block_outputs = blocks[1];
  matrix_.block_bytes =
      strides[static_cast<std::size_t>(out)] * static_cast<std::int64_t>(attend::size_bytes(dtype_));
}

std::int64_t BlockedWeights::block(int dim) const {
  const Desc desc = memory_.get_desc();
  std::int64_t product = 1;
  const auto blocks = desc.get_inner_blks();
  const auto dims = desc.get_inner_idxs();
  for (std::size_t i = 0; i < blocks.size(); ++i) product *= dims[i] == dim ? blocks[i] : 1;
  return product;
}

void BlockedWeights::fill(const dnnl::engine& engine, const RowSource& source) {
  const std::int64_t align = block(row_dim());
  const std::int64_t step = std::max(align, kStagingFloats / std::max<std::int64_t>(in_, 1) / align * align);
  const auto staged = static_cast<std::size_t>(std::min(step, out_) * in_);
  std::vector<float> staging(staged);
  std::vector<std::int8_t> quantized(dtype_ == DType::i8 ? staged : 0);
  dnnl::stream stream(engine);
  for (std::int64_t first = 0; first < out_; first += step) {
    const std::int64_t rows = std::min(step, out_ - first);
    source(first, rows, staging.data());
    void* elements = staging.data();
    if (dtype_ == DType::i8) {
      quantize_weights(staging.data(), rows, in_, quantized.data(), scales_.data() + first,
                       sums_.data() + first);
      elements = quantized.data();
    }
    const auto dims = [&](std::int64_t r) { return transposed_ ? Dims{in_, r} : Dims{r, in_}; };
    const Desc plain(dims(rows), dtype_ == DType::i8 ? DataType::s8 : DataType::f32,
                     transposed_ ? Tag::ba : Tag::ab);
    const Desc part =
        memory_.get_desc().submemory_desc(dims(rows), transposed_ ? Dims{0, first} : Dims{first, 0});
    dnnl::memory from(plain, engine, elements);
    dnnl::memory to(part, engine, buffer_.bytes());
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
  }
}

std::int64_t BlockedWeights::offset_of(int dim, std::int64_t index) const {
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

void BlockedWeights::make_offsets() {
  column_offsets_.reserve(static_cast<std::size_t>(in_));
  for (std::int64_t i = 0; i < in_; ++i) column_offsets_.push_back(offset_of(1 - row_dim(), i));
}

}  // namespace attend
