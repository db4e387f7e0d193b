// How one element of a state is kept in fewer bits: what its codes stand for, and how it is
// rounded to one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/element.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// Where elements are rounded up in 2^32 equal steps: spread evenly over any stretch of elements,
/// as multiples of the golden ratio are. The key of a step is random, so that each element's place
/// is.
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

/// The bits of a bfloat16: rounded to nearest and of two to the even one, or at random. What is
/// rounded at random comes from arithmetic, so that NaN is a quiet one, whose upper half is NaN.
/// Infinity stays what it is: its lower half is 0.
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

/// What the codes of a block stand for. The 8 bits are those of a float below the block's largest:
/// a sign, 4 bits of exponent and 3 of mantissa, or 5 of exponent where all of a block's values are
/// at least 0; then its scale is negative. Squares of values so reach as far down as the values do.
/// Code 0 is 0. A scale is NaN where a value is not finite.
struct Float8 {
  std::int32_t digits;  ///< Where a shifted code's digits are, and its sign.
  std::int32_t bias;    ///< What is to be added to them, so that they are those of a float.
  float unit;           ///< What the largest code but for its exponent stands for.

  static constexpr int shift = 20;  ///< Bits of a float's mantissa that a code does not have.
  static constexpr std::int32_t magnitude = 0x0FFFFFFF;
  static constexpr float most = 1.875F;
  static constexpr std::int32_t bias_of(bool is_signed) {
    return (127 - (is_signed ? 15 : 31)) << 23;
  }

  explicit Float8(float scale) : Float8(scale, !(scale < 0)) {}
  Float8(float scale, bool is_signed)
      : digits(is_signed ? ~std::int32_t{0x78000000} : magnitude),
        bias(bias_of(is_signed)),
        unit((is_signed ? scale : -scale) / most) {}

  /// `code` has the sign of its highest bit.
  [[nodiscard]] float decode(std::int32_t code) const {
    const auto bits = static_cast<std::int32_t>(static_cast<std::uint32_t>(code) << shift) & digits;
    const float value = __builtin_bit_cast(float, bits + bias) * unit;
    return (bits & magnitude) == 0 ? __builtin_bit_cast(float, bits) : value;  // 0 or -0
  }
};

/// How values become the codes of a block whose largest magnitude is `most`.
template <bool Signed, bool Stochastic>
class Float8Rounding {
 public:
  // Nothing is rounded to more than the largest code. Values are taken four times as large as what
  // codes stand for: by no float of 2^-124 or more does that divide to a denormal or to infinity.
  explicit Float8Rounding(float most) : unit_(4 * Float8::most * (1 - 0x1p-20F) / most) {}

  [[nodiscard]] std::int32_t encode(float value, std::uint32_t threshold) const {
    constexpr int shift = Float8::shift;
    constexpr std::int32_t bias = Float8::bias_of(Signed) + (2 << 23);
    const std::int32_t rounding =
        Stochastic ? std::int32_t(threshold >> (32 - shift)) : 1 << (shift - 1);
    const auto bits = __builtin_bit_cast(std::int32_t, value * unit_);
    const std::int32_t magnitude = Signed ? bits & 0x7FFFFFFF : bits;
    const std::int32_t rounded = (magnitude + (rounding - bias)) >> shift;
    if constexpr (Signed) return (rounded > 0 ? rounded : 0) | ((bits >> 24) & 0x80);
    // What is above 0 and is to be divided by stays so.
    const auto word = __builtin_bit_cast(std::uint32_t, value);
    const auto least = std::int32_t(word < 1 ? word : 1);
    return rounded > least ? rounded : least;
  }

 private:
  float unit_;
};

}  // namespace pyoptim::PYOPTIM_ISA
