// Blocks of values in float8: how far they extend, and how they are encoded.
#pragma once

#include <cstddef>
#include <cstdint>

#include "optim/quantize/codes.hpp"
#include "optim/quantize/groups.hpp"
#include "rules/kernel_table.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The largest of sixteen numbers, or 0.
template <class T, class Vector>
[[gnu::always_inline]] inline T largest_of(const Vector& vectors) {
  T numbers[lanes];
  __builtin_memcpy(numbers, vectors, sizeof numbers);
  T most = 0;
#pragma omp simd reduction(max : most)
  for (std::size_t i = 0; i < lanes; ++i) most = numbers[i] > most ? numbers[i] : most;
  return most;
}

/// A block's largest magnitude, and whether a sign is set: found of the bits, as numbers with a
/// sign and without. Vectors of the compiler's own stay in registers, where arrays would not.
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

  /// What the block is kept with: its largest magnitude, negative if no value is; 0 if all are
  /// (or are below 2^-124, which the unit of a scale cannot stand for); NaN if one is not finite.
  [[nodiscard]] float scale() const {
    const auto word = largest_of<std::uint32_t>(any_);
    const auto above = largest_of<std::int32_t>(above_);
    const bool is_signed = word > 0x7FFFFFFFU;
    const std::int32_t below = is_signed ? std::int32_t(word & 0x7FFFFFFFU) : 0;
    const std::int32_t magnitude = larger(above, below);
    if (magnitude >= 0x7F800000) return __builtin_nanf("");
    if (magnitude < 3 << 23) return 0;
    const auto most = __builtin_bit_cast(float, magnitude);
    return is_signed ? most : -most;
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

/// The codes of a block whose first element has the number `first` in its tensor.
template <bool Signed, bool Stochastic>
void encode_values(const float* values, std::uint8_t* codes, float most, std::size_t size,
                   std::size_t first, std::uint32_t key) {
  const Float8Rounding<Signed, Stochastic> rounding(most);
  const Thresholds thresholds(first, key);
  std::size_t done = 0;
#if PYOPTIM_GROUPS
  GroupThresholds here(thresholds);
  for (; done + lanes <= size; done += lanes) {
    Group group;
    const auto threshold = here.next();
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j)
      group[j] = rounding.encode(values[done + j], threshold.item[j]);
    narrow(group, codes + done);
  }
#endif
#pragma omp simd
  for (std::size_t i = done; i < size; ++i)
    codes[i] = std::uint8_t(rounding.encode(values[i], thresholds[i]));
}

/// The same for values of this scale.
[[gnu::noinline]] inline void encode_block(const float* values, float scale, std::uint8_t* codes,
                                           std::size_t size, std::size_t first, Rounding rounding) {
  if (scale == 0 || scale != scale) {
    __builtin_memset(codes, scale == 0 ? 0 : 1, size);
  } else if (scale > 0) {
    const auto encode =
        rounding.stochastic ? encode_values<true, true> : encode_values<true, false>;
    encode(values, codes, scale, size, first, rounding.key);
  } else {
    const auto encode =
        rounding.stochastic ? encode_values<false, true> : encode_values<false, false>;
    encode(values, codes, -scale, size, first, rounding.key);
  }
}

}  // namespace pyoptim::PYOPTIM_ISA
