#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Poisson {
  static constexpr const char* name = "poisson";
  static constexpr const char* doc =
      "The negative log-likelihood of counts whose logarithm of the mean is the score.\n\n"
      "    l = e^z - y z\n\n"
      "Terms of y alone are left out. Its mean is torch's PoissonNLLLoss and half of\n"
      "scikit-learn's Poisson deviance, up to them.";
  static constexpr auto fields = fields_of<Poisson>();
  static constexpr Range targets = non_negative;
  static constexpr Link link = Link::exponential;

  template <class F>
  auto at() const {
    return [](F z, F y) {
      const F mean = exponential(z);
      return Point<F>{mean - weighted_term(y, z), mean - y, mean};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
