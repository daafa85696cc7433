// Where weights come from, as the engine sees it: named tensors that can be read in pieces.
//
// Loaders implement this for safetensors, torch archives and what else there is; the engine knows no file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attend/dtype.h"
#include "attend/tensor.h"

namespace attend {

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::string file;  // for messages

  std::uint64_t size_bytes() const {
    return static_cast<std::uint64_t>(shape.elements()) * attend::size_bytes(dtype);
  }
};

// All functions are const and may be called from several threads at once.
class WeightStore {
 public:
  virtual ~WeightStore() = default;

  // Null when there is no tensor of this name. The pointer lives as long as the store.
  virtual const TensorInfo* find(std::string_view name) const = 0;
  // Every tensor, sorted by name.
  virtual std::vector<const TensorInfo*> tensors() const = 0;
  // Copies the bytes [first_byte, first_byte + dst.size()) of the row-major contiguous tensor, as stored.
  // Throws Error (ST_FILE_CHANGED and the like) when they cannot be read.
  virtual void read(const TensorInfo& tensor, std::uint64_t first_byte, std::span<std::byte> dst) const = 0;
  // Whether both are known to lie in one place, as tied tensors of torch archives do.
  virtual bool same_place(const TensorInfo&, const TensorInfo&) const { return false; }
};

}  // namespace attend
