// Loads and stores of elements, with conversion to the dtype of arithmetic.
#pragma once

#include <cstdint>

#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The upper half of the bits of a float32.
struct bfloat16 {
  std::uint16_t bits;
};

template <class T>
struct ElementType {
  using Arithmetic = T;
};
template <>
struct ElementType<bfloat16> {
  using Arithmetic = float;
};

/// float for float32 and bfloat16, double for float64.
template <class T>
using Arithmetic = typename ElementType<T>::Arithmetic;

inline float load(const float& x) { return x; }
inline double load(const double& x) { return x; }
inline float load(const bfloat16& x) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(x.bits) << 16);
}

inline void store(float& to, float x) { to = x; }
inline void store(double& to, double x) { to = x; }

/// Rounds to nearest, ties to even; NaN stays NaN, infinity stays infinity.
inline void store(bfloat16& to, float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  const std::uint32_t quiet_nan = (bits >> 16) | 0x40U;
  to.bits = static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? quiet_nan : rounded);
}

}  // namespace pyoptim::PYOPTIM_ISA
