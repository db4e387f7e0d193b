// Counter-based random numbers in plain arithmetic: the same bits on every instruction set and for
// every number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

inline constexpr std::size_t philox_lanes = 16;

/// The four words of the counter of each lane, which are replaced by four random words.
struct PhiloxWords {
  std::uint32_t word[4 * philox_lanes];  ///< Starts with the first word of all lanes.
};

/// Philox4x32 with 10 rounds, of Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy
/// as 1, 2, 3, SC 2011.
inline void philox(PhiloxWords& x, std::uint64_t key) {
  auto low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (std::size_t i = 0; i < philox_lanes; ++i) {
      std::uint32_t* const word = x.word + i;
      const std::uint64_t a = std::uint64_t{0xD2511F53U} * word[0];
      const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * word[2 * philox_lanes];
      word[0] = static_cast<std::uint32_t>(b >> 32) ^ word[philox_lanes] ^ low;
      word[philox_lanes] = static_cast<std::uint32_t>(b);
      word[2 * philox_lanes] = static_cast<std::uint32_t>(a >> 32) ^ word[3 * philox_lanes] ^ high;
      word[3 * philox_lanes] = static_cast<std::uint32_t>(a);
    }
    low += 0x9E3779B9U;
    high += 0xBB67AE85U;
  }
}

}  // namespace pyoptim::PYOPTIM_ISA
