#pragma once

namespace pyoptim::PYOPTIM_ISA {

struct Squared {
  static constexpr const char* name = "squared";
  static constexpr const char* doc = "Mean squared error: the mean over all scores of (z - y)^2.";

  template <class F>
  static F value(F z, F y) {
    return (z - y) * (z - y);
  }
  template <class F>
  static F slope(F z, F y) {
    return 2 * (z - y);
  }
  template <class F>
  static F curvature(F /*z*/, F /*y*/) {
    return 2;
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
