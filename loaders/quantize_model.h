// From a model directory to one whose matrices are stored in 8 bits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

namespace attend {

struct QuantizedModel {
  std::int64_t tensors = 0;                // of the new checkpoint, without scales
  std::int64_t quantized_tensors = 0;      // of them
  std::uint64_t weights_file_bytes = 0;    // of the model that was read
  std::uint64_t quantized_file_bytes = 0;  // of the new one
};

// Writes `out`, a directory that does not exist or is empty: the model's files, with model.safetensors in
// place of its weights and a quantization_config (loaders/files/quantization.h) in config.json or graph.json.
// It runs as the model does with --dtype int8, bit for bit. Tensors that the model does not use are left out.
//
// Everything is written beside `out` under another name and renamed at the end: whatever happens, `out` is
// whole or as it was. `progress` gets the fraction of the weights read so far; what it throws ends the work.
// Throws the errors of load_model(), QUANTIZE_ALREADY, QUANTIZE_OUT, FILE_WRITE, ST_NONFINITE.
QuantizedModel quantize_model(const std::filesystem::path& model, const std::filesystem::path& out,
                              const std::function<void(double)>& progress = {});

}  // namespace attend
