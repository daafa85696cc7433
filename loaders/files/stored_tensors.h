// Tensors as they lie in files: what every reader of weights produces.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/weight_store.h"
#include "loaders/files/file.h"

namespace attend {

// One tensor and the place of its first element.
struct StoredTensor {
  TensorInfo info;
  std::uint32_t file = 0;             // number of the file in its store
  std::uint64_t offset = 0;           // bytes from the start of the file
  std::vector<std::int64_t> strides;  // in elements; empty when row-major contiguous
  bool swapped = false;               // stored in the other byte order
};

// What one file holds, with `file` 0.
struct TensorListing {
  std::vector<StoredTensor> tensors;
  std::map<std::string, std::string> metadata;  // of safetensors; empty for other formats
};

// Reads by position into the caller's memory: a file that shrinks while it is read is an error, never a
// signal, and opening a store touches no tensor.
class StoredTensors final : public WeightStore {
 public:
  // `prefix` starts the kind of errors met while reading: PREFIX_FILE_CHANGED. Names are unique, places
  // within the files: the readers have checked both.
  StoredTensors(std::string prefix, std::vector<File> files, std::vector<StoredTensor> tensors,
                std::map<std::string, std::string> metadata);

  const TensorInfo* find(std::string_view name) const override;
  std::vector<const TensorInfo*> tensors() const override;
  void read(const TensorInfo& tensor, std::uint64_t first_byte, std::span<std::byte> dst) const override;
  bool same_place(const TensorInfo& a, const TensorInfo& b) const override;

  // Free text of safetensors' `__metadata__`; empty for other formats.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // Names that metadata gives to tensors stored under another one (tied weights): alias to stored name.
  std::map<std::string, std::string> aliases() const;

 private:
  const StoredTensor* lookup(std::string_view name) const;
  void read_file(const StoredTensor& tensor, std::uint64_t offset, std::span<std::byte> dst) const;
  void gather(const StoredTensor& tensor, std::uint64_t first_byte, std::span<std::byte> dst) const;

  std::string changed_kind_;
  std::vector<File> files_;
  std::vector<StoredTensor> tensors_;  // by name
  std::map<std::string, std::string> metadata_;
};

// Reads every floating-point tensor and throws ST_NONFINITE for those with NaN or infinity, naming the
// first such element of each ("model.safetensors: a.weight[12]").
void check_finite(const WeightStore& store);

}  // namespace attend
