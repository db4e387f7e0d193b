#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Gamma {
  static constexpr const char* name = "gamma";
  static constexpr const char* doc =
      "The negative log-likelihood of gamma-distributed targets whose logarithm of the mean is\n"
      "the score.\n\n"
      "    l = z + y e^-z\n\n"
      "Terms of y alone are left out. Its mean is half of scikit-learn's gamma deviance, up to\n"
      "them. A target of 0 leaves l = z.";
  static constexpr auto fields = fields_of<Gamma>();
  static constexpr Range targets = non_negative;
  static constexpr Link link = Link::exponential;

  template <class F>
  auto at() const {
    return [](F z, F y) {
      const F ratio = y == 0 ? F(0) : y * exponential(-z);
      return Point<F>{z + ratio, 1 - ratio, ratio};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
