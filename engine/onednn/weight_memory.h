// Memory for the packed matrices of one model.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace attend {

// Small matrices share large chunks: alone, they would lie in pages of 4 KiB, which take four times as long
// to come into being and more address translations to read than huge ones. A matrix goes into the
// first chunk that has room for it. A chunk lives as long as this and any matrix in it. From one thread at a
// time.
class WeightMemory {
 public:
  // Uninitialised, 64-byte aligned.
  std::shared_ptr<std::byte> take(std::size_t bytes);

 private:
  struct Chunk {
    std::shared_ptr<std::byte> memory;
    std::size_t used_bytes = 0;
  };
  std::vector<Chunk> chunks_;
};

}  // namespace attend
