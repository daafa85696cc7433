// A tensor with value semantics: a shared buffer, a dtype, a shape, strides and an offset.
//
// Copying a Tensor copies the view, not the elements. Views (rows, reshaped) are cheap. An operation
// that needs another layout says so and throws; nothing copies silently.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "attend/dtype.h"

namespace attend {

// Up to eight dimensions, outermost first.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims);
  explicit Shape(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<std::size_t>(rank_)}; }
  // Product of the dimensions; 1 for rank 0.
  std::int64_t elements() const;
  // "[2, 3]"
  std::string str() const;
  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

class Tensor {
 public:
  Tensor() = default;
  // Uninitialised, contiguous, 64-byte aligned.
  Tensor(DType dtype, Shape shape);
  // Contiguous elements copied from `values`, which must hold shape.elements() of them.
  static Tensor from(std::span<const float> values, Shape shape);
  static Tensor zeros(DType dtype, Shape shape);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  // Strides and offset count elements, not bytes.
  std::int64_t stride(int axis) const { return strides_[static_cast<std::size_t>(axis)]; }
  bool contiguous() const;
  bool empty() const { return !buffer_; }
  std::size_t size_bytes() const;

  // Rows [first, first + count) of the outermost dimension, sharing the buffer.
  Tensor rows(std::int64_t first, std::int64_t count) const;
  // The same elements under another shape; throws unless contiguous and of equal size.
  Tensor reshaped(Shape shape) const;

  std::byte* bytes();
  const std::byte* bytes() const;
  // Throws unless the dtype matches T and the tensor is contiguous.
  std::span<float> f32();
  std::span<const float> f32() const;

 private:
  std::shared_ptr<std::byte[]> buffer_;
  DType dtype_ = DType::f32;
  Shape shape_;
  std::array<std::int64_t, Shape::kMaxRank> strides_{};
  std::int64_t offset_ = 0;
};

}  // namespace attend
