// Reader of torch.save files (pytorch_model.bin): a state dict of tensors, in the ZIP form (torch 1.6 and
// later) and the sequence of pickles before it.
//
// Only tensors can come out of it: the pickle runs on PickleMachine with a list of a dozen globals, storages
// are read by position when their tensors are asked for. Tensors may share storages (tied weights) and may
// be strided views.
#pragma once

#include <filesystem>
#include <memory>

#include "loaders/files/file.h"
#include "loaders/files/stored_tensors.h"

namespace attend {

// Throws PT_* errors, with the offset of the pickle opcode or the name of the tensor.
TensorListing read_torch_archive(const File& file);

// One file as a store.
std::unique_ptr<StoredTensors> open_torch_archive(const std::filesystem::path& path);

}  // namespace attend
