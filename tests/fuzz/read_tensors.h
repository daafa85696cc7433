// What may be relied on once a store is open: every tensor can be read, whole and in parts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "engine/model/weight_store.h"

inline void read_tensors(const attend::WeightStore& store, std::size_t file_bytes) {
  for (const attend::TensorInfo* tensor : store.tensors()) {
    const std::uint64_t size = tensor->size_bytes();
    if (size > file_bytes) std::abort();  // a tensor without the bytes behind it
    if (store.find(tensor->name) != tensor) std::abort();
    std::vector<std::byte> whole(size);
    store.read(*tensor, 0, whole);
    const std::size_t element = attend::size_bytes(tensor->dtype);
    const std::uint64_t middle = size / element / 2 * element;
    std::vector<std::byte> part(size - middle);
    store.read(*tensor, middle, part);
    if (!std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(middle)))
      std::abort();
  }
}
