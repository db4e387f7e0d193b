#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Focal {
  double gamma = 2;
  double alpha = 0.25;

  static constexpr const char* name = "focal";
  static constexpr const char* doc =
      "The focal loss: the logistic loss with less weight on samples that are classified well.\n\n"
      "    p = 1 / (1 + e^-z)\n"
      "    l = -y alpha (1 - p)^gamma log(p) - (1 - y) (1 - alpha) p^gamma log(1 - p)\n\n"
      "Targets are classes 0 and 1, or probabilities of class 1. For classes it is torchvision's\n"
      "sigmoid_focal_loss. It is not convex.\n\n"
      "Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002.";
  static constexpr auto fields = fields_of<Focal>(
      Field<Focal>{"gamma", &Focal::gamma, non_negative,
                   "Strength of the focus on hard samples; 0 gives the logistic loss."},
      Field<Focal>{
          "alpha",
          &Focal::alpha,
          {-1, 1, false, false, false},
          "Weight of class 1, where class 0 has 1 - alpha; a negative value gives both weight 1."});
  static constexpr Range targets = closed_fraction;
  static constexpr Link link = Link::logistic;

  /// The loss q^gamma s of a sample whose class has the probability p = e^-s, with q = 1 - p =
  /// e^-t, and its derivatives by the score of the class.
  template <class F>
  static Point<F> of_class(F gamma, F p, F q, F s, F t) {
    const F factor = exponential(-weighted_term(gamma, t));
    // p s is 0 if s is infinite.
    return {weighted_term(factor, s), -factor * (gamma * weighted_term(p, s) + q),
            factor * (gamma * weighted_term(p, s) * (gamma * p - q) + p * q * (2 * gamma + 1))};
  }

  template <class F>
  auto at() const {
    return [gamma = F(gamma), first = F(alpha < 0 ? 1 : 1 - alpha),
            second = F(alpha < 0 ? 1 : alpha)](F z, F y) {
      const Chances<F> c = chances(z);
      const Point<F> one = of_class(gamma, c.p, c.q, c.minus_log_p, c.minus_log_q);
      const Point<F> zero = of_class(gamma, c.q, c.p, c.minus_log_q, c.minus_log_p);
      const F a = y * second, b = (1 - y) * first;
      return Point<F>{weighted_term(double(a), one.value) + weighted_term(double(b), zero.value),
                      a * one.grad - b * zero.grad, a * one.hessian + b * zero.hessian};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
