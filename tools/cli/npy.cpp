#include "tools/cli/npy.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "attend/error.h"

namespace attend::cli {
namespace {

// Room for the header of any shape, so that it can be written again when rows were appended.
constexpr std::size_t kHeaderBytes = 256;

std::string_view descriptor(DType dtype) {
  static_assert(std::endian::native == std::endian::little);
  switch (dtype) {
    case DType::f64: return "<f8";
    case DType::f32:
    case DType::bf16: return "<f4";
    case DType::f16: return "<f2";
    case DType::i64: return "<i8";
    case DType::i32: return "<i4";
    case DType::i16: return "<i2";
    case DType::i8: return "|i1";
    case DType::u8: return "|u1";
    case DType::boolean: return "|b1";
  }
  return "|V1";
}

void append_element(const std::byte* element, DType dtype, std::string& out) {
  if (dtype != DType::bf16) {
    out.append(reinterpret_cast<const char*>(element), size_bytes(dtype));
    return;
  }
  out.append(2, '\0');  // a bf16 is the upper half of an f32
  out.append(reinterpret_cast<const char*>(element), 2);
}

// The elements of dimensions from `axis` on, in row-major order.
void append_elements(const Tensor& value, int axis, std::int64_t offset, std::string& out) {
  const auto element = static_cast<std::int64_t>(size_bytes(value.dtype()));
  if (axis == value.shape().rank()) {
    append_element(value.bytes() + offset * element, value.dtype(), out);
    return;
  }
  const bool run =
      axis + 1 == value.shape().rank() && value.stride(axis) == 1 && value.dtype() != DType::bf16;
  if (run) {
    out.append(reinterpret_cast<const char*>(value.bytes() + offset * element),
               static_cast<std::size_t>(value.shape()[axis] * element));
    return;
  }
  for (std::int64_t i = 0; i < value.shape()[axis]; ++i) {
    append_elements(value, axis + 1, offset + i * value.stride(axis), out);
  }
}

Error write_error(const std::filesystem::path& path) {
  return Error("OUTPUT", path.string(), std::string("cannot be written: ") + std::strerror(errno));
}

}  // namespace

NpyWriter::NpyWriter(std::filesystem::path path) : path_(std::move(path)) {}

void NpyWriter::append(const Tensor& value) {
  std::vector<std::int64_t> dims(value.shape().dims().begin(), value.shape().dims().end());
  const bool first = dims_.empty();
  if (dims.empty()) dims = {1};
  if (first) {
    dims_ = dims;
    dtype_ = value.dtype();
  } else {
    if (dtype_ != value.dtype() || dims.size() != dims_.size() ||
        !std::equal(dims.begin() + 1, dims.end(), dims_.begin() + 1)) {
      throw Error("DUMP_SHAPE", path_.stem().string(),
                  "its rows have another shape at a later step (" + value.shape().str() +
                      "), so they cannot be one array; dump other nodes with --dump-node");
    }
    dims_[0] += dims[0];
  }
  std::string bytes;
  append_elements(value, 0, 0, bytes);
  if (first) {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file << std::string(kHeaderBytes, ' ');
    if (!file.flush()) throw write_error(path_);
  }
  std::ofstream file(path_, std::ios::binary | std::ios::app);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw write_error(path_);
  write_header();
}

void NpyWriter::write_header() const {
  constexpr std::size_t kPreambleBytes = 10;  // magic, version, length of what follows
  std::string shape;
  for (std::int64_t dim : dims_) shape += std::to_string(dim) + ", ";
  if (dims_.size() > 1) shape.resize(shape.size() - 2);
  std::string header = "\x93NUMPY";
  header += '\x01';
  header += '\0';
  header += static_cast<char>((kHeaderBytes - kPreambleBytes) & 0xFF);
  header += static_cast<char>((kHeaderBytes - kPreambleBytes) >> 8);
  header += "{'descr': '" + std::string(descriptor(dtype_)) + "', 'fortran_order': False, 'shape': (" +
            shape + "), }";
  header.resize(kHeaderBytes - 1, ' ');
  header += '\n';
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  if (!file.flush()) throw write_error(path_);
}

}  // namespace attend::cli
