// The allowed values of hyperparameters and targets. Kernels of every instruction set include this
// file.
#pragma once

namespace pyoptim {

/// The allowed values of a number: an interval, or the two values of a flag.
struct Range {
  double low;
  double high;
  bool open_low;
  bool open_high;
  bool flag;

  [[nodiscard]] constexpr bool contains(double x) const {
    if (flag) return x == 0 || x == 1;
    return (open_low ? x > low : x >= low) && (open_high ? x < high : x <= high);
  }
};

}  // namespace pyoptim
