// NumPy's .npy format, version 1.0: one array in a file, rows appended while it is written.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "attend/tensor.h"

namespace attend::cli {

class NpyWriter {
 public:
  explicit NpyWriter(std::filesystem::path path);

  // Appends the rows (outermost dimension) of `value`; any strides. bf16 is widened to f32, which NumPy
  // knows. Throws Error when the other dimensions or the dtype are not those of the first call, or on a write
  // error.
  void append(const Tensor& value);

 private:
  void write_header() const;

  std::filesystem::path path_;
  DType dtype_ = DType::f32;
  std::vector<std::int64_t> dims_;  // of all rows so far; empty before the first
};

}  // namespace attend::cli
