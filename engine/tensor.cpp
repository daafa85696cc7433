#include "attend/tensor.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{1} << 21;

std::shared_ptr<std::byte[]> allocate_aligned(std::size_t bytes) {
  const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  const bool huge = bytes >= kHugePage;
  void* memory = nullptr;
  if (posix_memalign(&memory, huge ? kHugePage : kAlignment, rounded) != 0) throw std::bad_alloc();
  // Weights are read from end to end at every token: with 4 KiB pages, address translation takes part of the
  // bandwidth. Only whole pages, so that no memory is wasted; advice that is not taken does no harm.
  if (huge) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return {static_cast<std::byte*>(memory), [](std::byte* p) { std::free(p); }};
}

}  // namespace

std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::f64: return "f64";
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::i64: return "i64";
    case DType::i32: return "i32";
    case DType::i16: return "i16";
    case DType::i8: return "i8";
    case DType::u8: return "u8";
    case DType::boolean: return "bool";
  }
  return "?";
}

std::optional<DType> parse_dtype(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    if (name(static_cast<DType>(i)) == text) return static_cast<DType>(i);
  }
  return std::nullopt;
}

Shape::Shape(std::initializer_list<std::int64_t> dims)
    : Shape(std::span<const std::int64_t>(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const std::int64_t> dims) {
  if (dims.size() > kMaxRank) throw internal_error("Shape", "more than 8 dimensions");
  rank_ = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (std::int64_t dim : dims()) product *= dim;
  return product;
}

std::string Shape::str() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) text += (i == 0 ? "" : ", ") + std::to_string((*this)[i]);
  return text + "]";
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(shape) {
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides_[static_cast<std::size_t>(axis)] = stride;
    stride *= shape[axis];
  }
  buffer_ = allocate_aligned(size_bytes());
}

Tensor Tensor::from(std::span<const float> values, Shape shape) {
  Tensor tensor(DType::f32, shape);
  if (static_cast<std::int64_t>(values.size()) != shape.elements()) {
    throw internal_error("Tensor::from", "expected " + std::to_string(shape.elements()) + " values, found " +
                                             std::to_string(values.size()));
  }
  std::copy(values.begin(), values.end(), tensor.f32().begin());
  return tensor;
}

Tensor Tensor::zeros(DType dtype, Shape shape) {
  Tensor tensor(dtype, shape);
  std::memset(tensor.bytes(), 0, tensor.size_bytes());
  return tensor;
}

bool Tensor::contiguous() const {
  std::int64_t expected = 1;
  for (int axis = shape_.rank() - 1; axis >= 0; --axis) {
    if (shape_[axis] != 1 && stride(axis) != expected) return false;
    expected *= shape_[axis];
  }
  return true;
}

std::size_t Tensor::size_bytes() const {
  return static_cast<std::size_t>(shape_.elements()) * attend::size_bytes(dtype_);
}

Tensor Tensor::rows(std::int64_t first, std::int64_t count) const {
  if (shape_.rank() == 0 || first < 0 || count < 0 || first + count > shape_[0]) {
    throw internal_error("Tensor::rows", "rows [" + std::to_string(first) + ", " +
                                             std::to_string(first + count) + ") of a tensor of shape " +
                                             shape_.str());
  }
  Tensor view = *this;
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::copy(shape_.dims().begin(), shape_.dims().end(), dims.begin());
  dims[0] = count;
  view.shape_ = Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(shape_.rank())));
  view.offset_ += first * strides_[0];
  return view;
}

Tensor Tensor::reshaped(Shape shape) const {
  if (!contiguous() || shape.elements() != shape_.elements()) {
    throw internal_error("Tensor::reshaped", "cannot view " + shape_.str() + " as " + shape.str());
  }
  Tensor view(*this);
  view.shape_ = shape;
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    view.strides_[static_cast<std::size_t>(axis)] = stride;
    stride *= shape[axis];
  }
  return view;
}

std::byte* Tensor::bytes() {
  return buffer_.get() + static_cast<std::size_t>(offset_) * attend::size_bytes(dtype_);
}

const std::byte* Tensor::bytes() const {
  return buffer_.get() + static_cast<std::size_t>(offset_) * attend::size_bytes(dtype_);
}

std::span<float> Tensor::f32() {
  const auto view = std::as_const(*this).f32();
  return {const_cast<float*>(view.data()), view.size()};
}

std::span<const float> Tensor::f32() const {
  if (dtype_ != DType::f32 || !contiguous()) {
    throw internal_error("Tensor::f32", "a contiguous f32 tensor was expected, found " +
                                            std::string(name(dtype_)) + " " + shape_.str());
  }
  return {reinterpret_cast<const float*>(bytes()), static_cast<std::size_t>(shape_.elements())};
}

}  // namespace attend
