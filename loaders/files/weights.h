// From a model directory to its weights, whatever format they were saved in.
#pragma once

#include <filesystem>
#include <memory>

#include "loaders/files/stored_tensors.h"

namespace attend {

// Opens the first of model.safetensors, model.safetensors.index.json, pytorch_model.bin and
// pytorch_model.bin.index.json; only headers are read. Throws MODEL_DIR_NOT_FOUND, MODEL_DIR_TYPE,
// WEIGHTS_NOT_FOUND (listing what was looked for), and the errors of the formats: ST_*, PT_*, IDX_*.
std::unique_ptr<StoredTensors> open_weights(const std::filesystem::path& directory);

// MODEL_DIR_NOT_FOUND, MODEL_DIR_TYPE unless `directory` is one.
void check_model_directory(const std::filesystem::path& directory);

}  // namespace attend
