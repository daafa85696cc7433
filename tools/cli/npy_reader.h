// Reads NumPy's .npy files: little-endian floating-point arrays in row-major order.
#pragma once

#include <filesystem>

#include "attend/tensor.h"

namespace attend::cli {

// As f32. Throws Error NPY_FORMAT that says what was expected and found, INPUT_FILE when it cannot be read.
Tensor read_npy(const std::filesystem::path& path);

}  // namespace attend::cli
