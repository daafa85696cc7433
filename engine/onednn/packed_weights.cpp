#include "engine/onednn/packed_weights.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "engine/in_parallel.h"
#include "engine/kernels/quantize.h"
#include "engine/kernels/transpose_words.h"

namespace attend {
namespace {

using Desc = dnnl::memory::desc;
using DataType = dnnl::memory::data_type;
using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;

constexpr std::int64_t kWordBytes = 4;
// Of the rows that a thread has in hand: they stay in its L2 cache on their way to the blocks.
constexpr std::int64_t kStagingBytes = std::int64_t{1} << 18;
struct Staging {};

}  // namespace

RowSource converted_rows(DType weights, std::int64_t in,
                         std::function<void(std::int64_t first, std::int64_t count, float* dst)> rows) {
  return [=, rows = std::move(rows)](std::int64_t first, std::int64_t count, std::byte* dst, float* scales) {
    std::vector<float> exact(static_cast<std::size_t>(count * in));
    rows(first, count, exact.data());
    convert_weights(weights, exact.data(), count, in, dst, scales);
  };
}

PackedMatrix describe_matrix(const ProductPrimitive& product, const DenseSpec& spec) {
  const auto blocks = product.weights.get_inner_blks();
  const auto dims = product.weights.get_inner_idxs();
  const auto strides = product.weights.get_strides();
  const int out = product.flavour == Flavour::matmul ? 1 : 0;
  const int in = 1 - out;
  const auto width = static_cast<std::int64_t>(size_bytes(spec.weights));
  const std::int64_t group = kWordBytes / width;
  PackedMatrix matrix{.in = spec.in, .out = spec.out, .dtype = spec.weights};
  const bool grouped =
      group == 1 ? dims.size() == 2 : dims.size() == 3 && dims[2] == in && blocks[2] == group;
  if (!grouped || dims[0] != in || dims[1] != out) return matrix;
  if (strides[static_cast<std::size_t>(in)] != blocks[0] * blocks[1] * group) return matrix;
  matrix.block_outputs = blocks[1];
  matrix.block_bytes = strides[static_cast<std::size_t>(out)] * width;
  return matrix;
}

// Blocked layouts keep the elements of a word side by side (of bf16 two inputs, of i8 four), and the words of
// neighbouring rows: packing transposes words, whatever their elements.
struct BlockedWeights::Words {
  std::int64_t per_row = 0;
  std::vector<std::int64_t> row_offsets, word_offsets;
};

BlockedWeights::BlockedWeights(const dnnl::engine& engine, WeightMemory& memory,
                               const ProductPrimitive& product, const DenseSpec& spec,
                               const RowSource& source)
    : in_(spec.in),
      out_(spec.out),
      dtype_(spec.weights),
      transposed_(product.flavour == Flavour::matmul),
      bytes_(product.weights.get_size()),
      buffer_(memory.take(bytes_)),
      memory_(product.weights, engine, buffer_.get()),
      matrix_(describe_matrix(product, spec)),
      column_offsets_(offsets_of(1 - row_dim(), block(1 - row_dim()))),
      row_offsets_(offsets_of(row_dim(), block(row_dim()))),
      row_stride_(memory_.get_desc().get_strides()[static_cast<std::size_t>(row_dim())]),
      column_stride_(memory_.get_desc().get_strides()[static_cast<std::size_t>(1 - row_dim())]) {
  if (dtype_ == DType::i8) {
    scales_.resize(static_cast<std::size_t>(out_));
    sums_.resize(static_cast<std::size_t>(out_));
  }
  fill(engine, source);
  matrix_.data = buffer_.get();
}

void BlockedWeights::gather_row(std::int64_t row, float scale, float* dst) const {
  const auto rows = static_cast<std::int64_t>(row_offsets_.size());
  const std::int64_t base = row_offsets_[static_cast<std::size_t>(row % rows)] + row / rows * row_stride_;
  const auto columns = static_cast<std::int64_t>(column_offsets_.size());
  const auto gather = [&](const auto* elements, auto&& to_float) {
    elements += base;
    for (std::int64_t first = 0; first < in_; first += columns, elements += column_stride_) {
      const std::int64_t count = std::min(columns, in_ - first);
      for (std::int64_t i = 0; i < count; ++i)
        dst[first + i] = to_float(elements[column_offsets_[static_cast<std::size_t>(i)]]) * scale;
    }
  };
  switch (dtype_) {
    case DType::i8:
      scale *= scales_[static_cast<std::size_t>(row)];
      gather(reinterpret_cast<const std::int8_t*>(buffer_.get()),
             [](std::int8_t q) { return static_cast<float>(q); });
      break;
    case DType::bf16:
      gather(reinterpret_cast<const std::uint16_t*>(buffer_.get()),
             [](std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); });
      break;
    default: gather(reinterpret_cast<const float*>(buffer_.get()), [](float w) { return w; });
  }
}

std::size_t BlockedWeights::size_bytes() const {
  return bytes_ + scales_.size() * sizeof(float) + sums_.size() * sizeof(std::int32_t);
}

std::int64_t BlockedWeights::block(int dim) const {
  const Desc desc = memory_.get_desc();
  std::int64_t product = 1;
  const auto blocks = desc.get_inner_blks();
  const auto dims = desc.get_inner_idxs();
  for (std::size_t i = 0; i < blocks.size(); ++i) product *= dims[i] == dim ? blocks[i] : 1;
  return product;
}

std::int64_t BlockedWeights::padded(int dim) const {
  return memory_.get_desc().get_padded_dims()[static_cast<std::size_t>(dim)];
}

namespace {

std::int64_t blocked_offset(std::span<const std::int64_t> blocks, std::span<const std::int64_t> block_dims,
                            std::int64_t outer_stride, int dim, std::int64_t index) {
  std::int64_t offset = 0;
  std::int64_t stride = 1;
  for (std::size_t i = blocks.size(); i-- > 0;) {
    if (block_dims[i] == dim) {
      offset += index % blocks[i] * stride;
      index /= blocks[i];
    }
    stride *= blocks[i];
  }
  return offset + index * outer_stride;
}

}  // namespace

std::vector<std::int64_t> BlockedWeights::offsets_of(int dim, std::int64_t count) const {
  const Desc desc = memory_.get_desc();
  const Dims blocks = desc.get_inner_blks();
  const Dims block_dims = desc.get_inner_idxs();
  const std::int64_t outer_stride = desc.get_strides()[static_cast<std::size_t>(dim)];
  std::vector<std::int64_t> offsets;
  offsets.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i)
    offsets.push_back(blocked_offset(blocks, block_dims, outer_stride, dim, i));
  return offsets;
}

// Whether the layout is one of words, every byte of which belongs to a row.
bool BlockedWeights::find_words(Words& words) const {
  const auto width = static_cast<std::int64_t>(attend::size_bytes(dtype_));
  const std::int64_t elements = kWordBytes / width;
  const std::int64_t rows = padded(row_dim());
  const std::int64_t columns = padded(1 - row_dim());
  if (columns % elements != 0 || static_cast<std::size_t>(rows * columns * width) != bytes_) return false;
  words.per_row = columns / elements;
  const std::vector<std::int64_t> column_offsets = offsets_of(1 - row_dim(), columns);
  for (std::size_t i = 0; i < column_offsets.size(); ++i) {
    if (static_cast<std::int64_t>(i) % elements != 0) {
      if (column_offsets[i] != column_offsets[i - 1] + 1) return false;
      continue;
    }
    if (column_offsets[i] % elements != 0) return false;
    words.word_offsets.push_back(column_offsets[i] / elements);
  }
  words.row_offsets = offsets_of(row_dim(), rows);
  for (std::size_t r = 0; r < words.row_offsets.size(); ++r) {
    if (words.row_offsets[r] % elements != 0) return false;
    words.row_offsets[r] /= elements;
    if (r % 4 != 0 && words.row_offsets[r] != words.row_offsets[r - 1] + 1) return false;
  }
  return true;
}

void BlockedWeights::fill(const dnnl::engine& engine, const RowSource& source) {
  Words words;
  const bool transposes = find_words(words);
  // oneDNN's own reorder leaves padding as it is.
  if (!transposes) std::memset(buffer_.get(), 0, bytes_);
  const std::int64_t align = std::max<std::int64_t>(block(row_dim()), 4);
  const std::int64_t row_bytes = in_ * static_cast<std::int64_t>(attend::size_bytes(dtype_));
  const std::int64_t step =
      std::max(align, kStagingBytes / std::max<std::int64_t>(row_bytes, 1) / align * align);
  in_parallel(out_, step, [&](std::int64_t first, std::int64_t count) {
    if (transposes) {
      pack_rows(words, first, count, source);
    } else {
      reorder_rows(engine, first, count, source);
    }
  });
}

void BlockedWeights::read_rows(std::int64_t first, std::int64_t count, std::int64_t stride,
                               const RowSource& source, std::byte* dst) {
  float* scales = dtype_ == DType::i8 ? scales_.data() + first : nullptr;
  const std::int64_t row_bytes = in_ * static_cast<std::int64_t>(attend::size_bytes(dtype_));
  source(first, count, dst, scales);
  if (dtype_ == DType::i8)
    sum_weights(reinterpret_cast<const std::int8_t*>(dst), count, in_, sums_.data() + first);
  if (stride == row_bytes) return;
  // From the last row on, each to its place: none is overwritten before it was moved.
  for (std::int64_t r = count; r-- > 0;) {
    std::memmove(dst + r * stride, dst + r * row_bytes, static_cast<std::size_t>(row_bytes));
    std::memset(dst + r * stride + row_bytes, 0, static_cast<std::size_t>(stride - row_bytes));
  }
}

void BlockedWeights::pack_rows(const Words& words, std::int64_t first, std::int64_t count,
                               const RowSource& source) {
  // The last piece has the rows that fill the last block up: zeros.
  const std::int64_t rows = first + count == out_ ? padded(row_dim()) - first : count;
  const std::int64_t stride = words.per_row * kWordBytes;
  std::byte* staging = thread_scratch<Staging>(static_cast<std::size_t>(rows * stride));
  read_rows(first, count, stride, source, staging);
  std::memset(staging + count * stride, 0, static_cast<std::size_t>((rows - count) * stride));
  transpose_words(reinterpret_cast<const std::uint32_t*>(staging), words.per_row, rows, words.per_row,
                  words.row_offsets.data() + first, words.word_offsets.data(),
                  reinterpret_cast<std::uint32_t*>(buffer_.get()));
}

void BlockedWeights::reorder_rows(const dnnl::engine& engine, std::int64_t first, std::int64_t count,
                                  const RowSource& source) {
  const std::int64_t row_bytes = in_ * static_cast<std::int64_t>(attend::size_bytes(dtype_));
  std::byte* staging = thread_scratch<Staging>(static_cast<std::size_t>(count * row_bytes));
  read_rows(first, count, row_bytes, source, staging);
  const Dims dims = transposed_ ? Dims{in_, count} : Dims{count, in_};
  const Desc plain(dims, onednn_type(dtype_), transposed_ ? Tag::ba : Tag::ab);
  const Desc part = memory_.get_desc().submemory_desc(dims, transposed_ ? Dims{0, first} : Dims{first, 0});
  dnnl::stream stream(engine);
  dnnl::memory from(plain, engine, staging);
  dnnl::memory to(part, engine, buffer_.get());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
}

}  // namespace attend
