// A model directory with its matrices stored in 8 bits: a quarter of the file, and nothing to quantise when
// it is loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace attend {

struct QuantizeOptions {
  std::string dtype = "int8";  // the only one there is
  // Fraction of the weights read so far, in [0, 1].
  std::function<void(double)> progress{};
  // Asked again and again; once true, the work ends with the error CANCELLED.
  std::function<bool()> cancelled{};
};

struct QuantizeSummary {
  std::int64_t tensors = 0;  // of the new checkpoint, without scales
  std::int64_t quantized_tensors = 0;
  std::uint64_t weights_file_bytes = 0;    // of the model that was read
  std::uint64_t quantized_file_bytes = 0;  // of the new one
};

// Writes `out`, which runs as `model` does with the dtype int8, bit for bit: its configuration, tokenizer and
// other files, and model.safetensors with matrices of I8 and their scales. `out` must not exist, or be an
// empty directory; it is whole in the end or as it was. Throws Error.
QuantizeSummary quantize(const std::filesystem::path& model, const std::filesystem::path& out,
                         const QuantizeOptions& options = {});

}  // namespace attend
