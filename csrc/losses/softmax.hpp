#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/elementary.hpp"
#include "engine/sum.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Softmax {
  static constexpr const char* name = "softmax";
  static constexpr const char* doc =
      "Softmax cross-entropy: the mean over rows of log(sum_k e^(z_k)) - z_label.";

  /// The value of a row; its slope times scale goes to `slope` unless that is nullptr.
  template <class F>
  static double row(const F* z, std::int64_t label, F* slope, F scale, std::size_t columns) {
    const F top = largest_in_lanes(z, columns);
    const double at_label = double(z[label]) - double(top);
    if (slope == nullptr) {
      const double sum =
          sum_in_lanes(columns, [=](std::size_t j) { return exponential(z[j] - top); });
      return logarithm(sum) - at_label;
    }
    const double sum =
        sum_in_lanes(columns, [=](std::size_t j) { return slope[j] = exponential(z[j] - top); });
    const F share = F(double(scale) / sum);
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) slope[j] *= share;
    slope[label] -= scale;
    return logarithm(sum) - at_label;
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
