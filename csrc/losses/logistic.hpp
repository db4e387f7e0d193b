#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Logistic {
  static constexpr const char* name = "logistic";
  static constexpr const char* doc =
      "The logistic loss (binary cross-entropy) of a score that is the log-odds of class 1.\n\n"
      "    p = 1 / (1 + e^-z)\n"
      "    l = -y log(p) - (1 - y) log(1 - p)\n\n"
      "Targets are classes 0 and 1, or probabilities of class 1. Its mean is torch's\n"
      "BCEWithLogitsLoss.";
  static constexpr auto fields = fields_of<Logistic>();
  static constexpr Range targets = closed_fraction;
  static constexpr Link link = Link::logistic;

  template <class F>
  auto at() const {
    return [](F z, F y) {
      const Chances<F> c = chances(z);
      const F other = 1 - y;
      return Point<F>{weighted_term(y, c.minus_log_p) + weighted_term(other, c.minus_log_q),
                      other * c.p - y * c.q, c.p * c.q};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
