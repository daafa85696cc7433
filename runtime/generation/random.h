// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
// 3").
//
// A draw is a pure function of (seed, request, sequence, position, index): nothing is kept between draws, so
// what else runs in the batch cannot change it.
#pragma once

#include <array>
#include <cstdint>

namespace attend {

// Philox4x32-10: a bijection of 128-bit counters for every 64-bit key.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// The random numbers of one generated sequence.
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint32_t request = 0;   // which request of those that share a seed
  std::uint32_t sequence = 0;  // which of its num_return_sequences, or which beam

  // Uniform in [0, 1) with 53 bits; `position` counts the tokens before the one to draw, `index` tells draws
  // for the same token apart.
  double uniform(std::uint32_t position, std::uint32_t index = 0) const {
    const auto word = philox4x32({position, index, sequence, request},
                                 {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    const std::uint64_t bits = (std::uint64_t{word[0]} << 32) | word[1];
    return static_cast<double>(bits >> 11) * 0x1.0p-53;
  }
};

}  // namespace attend
