// Weights spread over several files by an index: {"weight_map": {tensor: file}}.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "loaders/files/stored_tensors.h"

namespace attend {

using ReadShard = TensorListing (*)(const File& file);

// Opens every shard that `index` names and checks that it holds exactly the tensors it is listed with.
// Throws IDX_PATH_ESCAPE for files outside the index's folder (a Hugging Face cache, whose snapshots link
// to its blobs, counts as inside), IDX_SHARD_MISSING, IDX_TENSOR_MISSING, IDX_TENSOR_DUPLICATE,
// IDX_TENSOR_EXTRA, IDX_FIELD_*, IDX_JSON_*, and what `read_shard` throws. `prefix` as for StoredTensors.
std::unique_ptr<StoredTensors> open_sharded(const std::filesystem::path& index, std::string prefix,
                                            ReadShard read_shard);

}  // namespace attend
