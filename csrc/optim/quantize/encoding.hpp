// The encoding of one element of a quantized state, and its rounding.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/element.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The thresholds of stochastic rounding, in units of 2^-32. As multiples of the golden ratio they
/// are spread evenly over any stretch of elements. The key of a step is random, so each element's
/// threshold is too.
class Thresholds {
 public:
  Thresholds(std::size_t first, std::uint32_t key)
      : start_(static_cast<std::uint32_t>(first) * golden + key) {}
  std::uint32_t operator[](std::size_t i) const {
    return start_ + static_cast<std::uint32_t>(i) * golden;
  }

  static constexpr std::uint32_t golden = 0x9E3779B1U;

 private:
  std::uint32_t start_;
};

/// Rounds to bfloat16: to nearest even, or stochastically. With stochastic rounding every NaN is a
/// quiet one, because it comes from arithmetic, and so the upper half of its bits is a NaN. The
/// lower half of infinity is 0, so infinity is unchanged.
template <bool Stochastic>
std::uint32_t to_bfloat16(float value, std::uint32_t threshold) {
  const auto bits = __builtin_bit_cast(std::uint32_t, value);
  if constexpr (Stochastic) {
    return (value == value ? bits + (threshold >> 16) : bits) >> 16;
  } else {
    const std::uint32_t high = bits >> 16;
    return value == value ? (bits + (0x7FFFU + (high & 1U))) >> 16 : high | 0x40U;
  }
}

/// The decoding of a block. The 8 bits of a code are a float relative to the largest magnitude of
/// the block: a sign, 4 bits of exponent and 3 of mantissa. If no value of the block is negative,
/// there is no sign but a fifth bit of exponent, and the scale is negative. So squares have the
/// same dynamic range as the values. Code 0 is 0. The scale is NaN if a value is not finite.
struct Float8 {
  std::int32_t digits;  ///< The mask of the shifted code's digits and sign.
  std::int32_t bias;    ///< Added to the digits to get those of a float.
  float unit;           ///< The unit of a code: the value of the largest code without its exponent.

  static constexpr int shift = 20;  ///< The number of mantissa bits of a float that a code lacks.
  static constexpr std::int32_t magnitude = 0x0FFFFFFF;
  static constexpr float max = 1.875F;
  static constexpr std::int32_t bias_of(bool is_signed) {
    return (127 - (is_signed ? 15 : 31)) << 23;
  }

  explicit Float8(float scale) : Float8(scale, !(scale < 0)) {}
  Float8(float scale, bool is_signed)
      : digits(is_signed ? ~std::int32_t{0x78000000} : magnitude),
        bias(bias_of(is_signed)),
        unit((is_signed ? scale : -scale) / max) {}

  /// `code` is sign-extended from 8 bits.
  [[nodiscard]] float decode(std::int32_t code) const {
    const auto bits = static_cast<std::int32_t>(static_cast<std::uint32_t>(code) << shift) & digits;
    const float value = __builtin_bit_cast(float, bits + bias) * unit;
    return (bits & magnitude) == 0 ? __builtin_bit_cast(float, bits) : value;  // 0 or -0
  }
};

/// The encoding of a block whose largest magnitude is `max`.
template <bool Signed, bool Stochastic>
class Float8Rounding {
 public:
  // The factor just below 1 prevents rounding beyond the largest code. Values are scaled four times
  // as large as codes, so that no division by a float of 2^-124 or more gives a denormal or
  // infinity.
  explicit Float8Rounding(float max) : unit_(4 * Float8::max * (1 - 0x1p-20F) / max) {}

  [[nodiscard]] std::int32_t encode(float value, std::uint32_t threshold) const {
    constexpr int shift = Float8::shift;
    constexpr std::int32_t bias = Float8::bias_of(Signed) + (2 << 23);
    const std::int32_t rounding =
        Stochastic ? std::int32_t(threshold >> (32 - shift)) : 1 << (shift - 1);
    const auto bits = __builtin_bit_cast(std::int32_t, value * unit_);
    const std::int32_t magnitude = Signed ? bits & 0x7FFFFFFF : bits;
    const std::int32_t rounded = (magnitude + (rounding - bias)) >> shift;
    if constexpr (Signed) return (rounded > 0 ? rounded : 0) | ((bits >> 24) & 0x80);
    // Positive values, by which rules divide, are never rounded to 0.
    const auto word = __builtin_bit_cast(std::uint32_t, value);
    const auto min_code = std::int32_t(word < 1 ? word : 1);
    return rounded > min_code ? rounded : min_code;
  }

 private:
  float unit_;
};

}  // namespace pyoptim::PYOPTIM_ISA
