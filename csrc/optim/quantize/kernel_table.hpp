// The kernels of quantized states and master weights, compiled once for each instruction set. Plain
// data and function pointers only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rules/kernel_table.hpp"

namespace pyoptim {

/// All pointers are to the first element of a block. `first` is that element's number in its
/// tensor, and `key` is the key of stochastic rounding.
struct QuantizeKernels {
  void (*decode[state_format_count])(const void* quantized, const float* scales, float* values,
                                     std::size_t size);
  /// Indexed by format, then by rounding: to nearest, stochastic.
  void (*encode[state_format_count][2])(const float* values, void* quantized, float* scales,
                                        std::size_t size, std::size_t first, std::uint32_t key);
  /// Joins the upper and lower halves of the bits of float32 values.
  void (*join)(const void* high, const void* low, float* values, std::size_t size);
  void (*split)(const float* values, void* high, void* low, std::size_t size);
  /// Replaces the values that no longer round to the bfloat16 numbers `rounded` by these numbers.
  void (*refresh)(const void* rounded, float* values, std::size_t size);
};

}  // namespace pyoptim
