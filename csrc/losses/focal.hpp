#pragma once

#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Focal {
  double gamma = 2;
  double alpha = 0.25;

  static constexpr const char* name = "focal";
  static constexpr const char* doc =
      "The focal loss: the logistic loss with less weight on samples that are right already.\n\n"
      "    p = 1 / (1 + e^-z)\n"
      "    l = -y alpha (1 - p)^gamma log(p) - (1 - y) (1 - alpha) p^gamma log(1 - p)\n\n"
      "Targets are classes 0 and 1, or probabilities of class 1. For classes it is torchvision's\n"
      "sigmoid_focal_loss. It is not convex.\n\n"
      "Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002.";
  static constexpr auto fields = fields_of<Focal>(
      Field<Focal>{"gamma", &Focal::gamma, non_negative,
                   "How much less what is right counts; 0 is the logistic loss."},
      Field<Focal>{"alpha",
                   &Focal::alpha,
                   {-1, 1, false, false, false},
                   "The weight of class 1, that of class 0 being 1 - alpha; below 0 both are 1."});
  static constexpr Range targets = closed_fraction;
  static constexpr Link link = Link::logistic;

  /// Of a sample whose class has the probability p = e^-s, with q = 1 - p = e^-t: the loss
  /// q^gamma s, and its derivatives by the class's own score.
  template <class F>
  static Point<F> of_class(F gamma, F p, F q, F s, F t) {
    const F factor = exponential(-share_of(gamma, t));
    // p s is 0 where s is infinite.
    return {share_of(factor, s), -factor * (gamma * share_of(p, s) + q),
            factor * (gamma * share_of(p, s) * (gamma * p - q) + p * q * (2 * gamma + 1))};
  }

  template <class F>
  auto at() const {
    return [gamma = F(gamma), first = F(alpha < 0 ? 1 : 1 - alpha),
            second = F(alpha < 0 ? 1 : alpha)](F z, F y) {
      const Chances<F> c = chances(z);
      const Point<F> one = of_class(gamma, c.p, c.q, c.minus_log_p, c.minus_log_q);
      const Point<F> zero = of_class(gamma, c.q, c.p, c.minus_log_q, c.minus_log_p);
      const F a = y * second, b = (1 - y) * first;
      return Point<F>{share_of(double(a), one.value) + share_of(double(b), zero.value),
                      a * one.slope - b * zero.slope, a * one.curvature + b * zero.curvature};
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
