// Memory for the packed matrices of one model.
#pragma once

#include <cstddef>
#include <memory>

namespace attend {

// Small matrices share large chunks: alone, they would lie in pages of 4 KiB, which take four times as long
// to come into being and more address translations to read than huge ones. A chunk lives as long as any
// matrix in it. From one thread at a time.
class WeightMemory {
 public:
  // Uninitialised, 64-byte aligned.
  std::shared_ptr<std::byte> take(std::size_t bytes);

 private:
  std::shared_ptr<std::byte> chunk_;
  std::size_t used_bytes_ = 0;
  std::size_t chunk_bytes_ = 0;
};

}  // namespace attend
