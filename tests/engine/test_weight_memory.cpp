#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "engine/onednn/weight_memory.h"

namespace attend {

TEST_CASE("Packed matrices lie apart, aligned, and small ones fill the chunks before") {
  WeightMemory memory;
  constexpr std::size_t kMegabyte = std::size_t{1} << 20;
  // 31 MiB are taken of the first chunk of 32 when one of 7 MiB opens the second.
  std::vector<std::size_t> sizes = {6 * kMegabyte, 6 * kMegabyte, 6 * kMegabyte, 6 * kMegabyte,
                                    7 * kMegabyte, 7 * kMegabyte, 1000,          40 * kMegabyte};
  std::vector<std::shared_ptr<std::byte>> taken;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    taken.push_back(memory.take(sizes[i]));
    CHECK(reinterpret_cast<std::uintptr_t>(taken[i].get()) % 64 == 0);
    std::memset(taken[i].get(), static_cast<int>(i), sizes[i]);
  }
  CHECK(taken[6].get() == taken[4].get() + sizes[4]);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    CHECK(taken[i].get()[0] == static_cast<std::byte>(i));
    CHECK(taken[i].get()[sizes[i] - 1] == static_cast<std::byte>(i));
  }
}

TEST_CASE("Packed matrices outlive the memory that they were taken from") {
  std::shared_ptr<std::byte> matrix;
  {
    WeightMemory memory;
    matrix = memory.take(100);
  }
  std::memset(matrix.get(), 1, 100);
  CHECK(matrix.get()[99] == std::byte{1});
}

}  // namespace attend
