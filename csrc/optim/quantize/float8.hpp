// Blocks of float8: their scales and their encoding.
#pragma once

#include <cstddef>
#include <cstdint>

#include "optim/quantize/encoding.hpp"
#include "optim/quantize/groups.hpp"
#include "rules/kernel_table.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The maximum of sixteen numbers, or 0.
template <class T, class Vector>
[[gnu::always_inline]] inline T largest_of(const Vector& vectors) {
  T numbers[lanes];
  __builtin_memcpy(numbers, vectors, sizeof numbers);
  T max = 0;
#pragma omp simd reduction(max : max)
  for (std::size_t i = 0; i < lanes; ++i) max = numbers[i] > max ? numbers[i] : max;
  return max;
}

/// The largest magnitude of a block, and whether a value is negative. Both are computed from the
/// bits, as maxima of signed and unsigned integers. Vector types of the compiler stay in registers,
/// unlike arrays.
class Extent {
 public:
  void add(const float* values) {
    for (std::size_t part = 0; part < parts; ++part) {
      Bits bits;
      __builtin_memcpy(&bits, values + part * width, sizeof bits);
      const auto word = reinterpret_cast<Words>(bits);
      above_[part] = bits > above_[part] ? bits : above_[part];
      any_[part] = word > any_[part] ? word : any_[part];
    }
  }
  void add_one(float value) {
    above_[0][0] = larger(__builtin_bit_cast(std::int32_t, value), above_[0][0]);
    any_[0][0] = larger(__builtin_bit_cast(std::uint32_t, value), any_[0][0]);
  }

  /// The scale of the block: its largest magnitude, negated if no value is negative. It is 0 if the
  /// magnitude is below 2^-124, and NaN if a value is not finite.
  [[nodiscard]] float scale() const {
    const auto word = largest_of<std::uint32_t>(any_);
    const auto above = largest_of<std::int32_t>(above_);
    const bool is_signed = word > 0x7FFFFFFFU;
    const std::int32_t below = is_signed ? std::int32_t(word & 0x7FFFFFFFU) : 0;
    const std::int32_t magnitude = larger(above, below);
    if (magnitude >= 0x7F800000) return __builtin_nanf("");
    if (magnitude < 3 << 23) return 0;
    const auto max = __builtin_bit_cast(float, magnitude);
    return is_signed ? max : -max;
  }

 private:
  static constexpr std::size_t width = register_bytes / sizeof(float);
  static constexpr std::size_t parts = lanes / width;
  using Bits = std::int32_t __attribute__((vector_size(register_bytes)));
  using Words = std::uint32_t __attribute__((vector_size(register_bytes)));

  Bits above_[parts] = {};
  Words any_[parts] = {};
};

inline Extent extent_of(const float* values, std::size_t size) {
  Extent extent;
  const std::size_t whole = size - size % lanes;
  for (std::size_t i = 0; i < whole; i += lanes) extent.add(values + i);
  for (std::size_t i = whole; i < size; ++i) extent.add_one(values[i]);
  return extent;
}

/// Encodes a block whose first element has the number `first` in its tensor.
template <bool Signed, bool Stochastic>
void encode_values(const float* values, std::uint8_t* quantized, float max, std::size_t size,
                   std::size_t first, std::uint32_t key) {
  const Float8Rounding<Signed, Stochastic> rounding(max);
  const Thresholds thresholds(first, key);
  std::size_t done = 0;
#if PYOPTIM_GROUPS
  GroupThresholds group_thresholds(thresholds);
  for (; done + lanes <= size; done += lanes) {
    Group group;
    const auto threshold = group_thresholds.next();
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j)
      group[j] = rounding.encode(values[done + j], threshold.item[j]);
    narrow(group, quantized + done);
  }
#endif
#pragma omp simd
  for (std::size_t i = done; i < size; ++i)
    quantized[i] = std::uint8_t(rounding.encode(values[i], thresholds[i]));
}

/// The same for a given scale.
[[gnu::noinline]] inline void encode_block(const float* values, float scale,
                                           std::uint8_t* quantized, std::size_t size,
                                           std::size_t first, Rounding rounding) {
  if (scale == 0 || scale != scale) {
    __builtin_memset(quantized, scale == 0 ? 0 : 1, size);
  } else if (scale > 0) {
    const auto encode =
        rounding.stochastic ? encode_values<true, true> : encode_values<true, false>;
    encode(values, quantized, scale, size, first, rounding.key);
  } else {
    const auto encode =
        rounding.stochastic ? encode_values<false, true> : encode_values<false, false>;
    encode(values, quantized, -scale, size, first, rounding.key);
  }
}

}  // namespace pyoptim::PYOPTIM_ISA
