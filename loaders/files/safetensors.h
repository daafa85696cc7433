// Reader of safetensors files: eight bytes of header length, a JSON header, the tensors' bytes.
// Format: https://github.com/huggingface/safetensors (README, "Format").
//
// Only the header is read and every claim of it is checked against the file's length before anything is
// believed: types, ranges, no overlap, no hole, no trailing bytes.
#pragma once

#include <filesystem>
#include <memory>

#include "loaders/files/file.h"
#include "loaders/files/stored_tensors.h"

namespace attend {

// Checks and reads the header of an open file. Throws ST_* errors; `where` is "file" or "file: tensor".
TensorListing read_safetensors_header(const File& file);

// One file as a store.
std::unique_ptr<StoredTensors> open_safetensors(const std::filesystem::path& path);

}  // namespace attend
