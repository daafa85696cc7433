// The globals that a torch checkpoint of tensors refers to, and the tensors they build.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attend/dtype.h"
#include "loaders/files/pickle_machine.h"
#include "loaders/files/stored_tensors.h"

namespace attend {

struct TorchStorage {
  std::string key;
  DType dtype = DType::f32;
  std::uint64_t elements = 0;

  std::uint64_t size_bytes() const { return elements * attend::size_bytes(dtype); }
};

// A view of a storage.
struct TorchTensor {
  std::size_t storage = 0;
  std::uint64_t first_element = 0;
  Shape shape;
  std::vector<std::int64_t> strides;  // empty when row-major contiguous
};

class TorchHost final : public PickleHost {
 public:
  int find_global(std::string_view module, std::string_view name) const override;
  PickleValue call(PickleMachine& machine, int global, std::span<const PickleValue> args) override;
  PickleValue load_persistent(PickleMachine& machine, const PickleValue& id) override;

  const std::vector<TorchStorage>& storages() const { return storages_; }
  const TorchTensor* tensor(const PickleValue& value) const;

 private:
  PickleValue rebuild_tensor(PickleMachine& machine, std::span<const PickleValue> args);
  PickleValue build_ordered_dict(PickleMachine& machine, std::span<const PickleValue> args);

  std::vector<TorchStorage> storages_;
  std::map<std::string, std::size_t, std::less<>> storage_by_key_;
  std::vector<TorchTensor> tensors_;
};

}  // namespace attend
