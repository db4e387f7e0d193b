#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Adadelta {
  double rho = 0.9;
  double eps = 1e-6;

  static constexpr const char* name = "Adadelta";
  static constexpr const char* doc =
      "Adadelta: the gradient scaled by the ratio of past steps' size to past gradients' size, so\n"
      "that steps have the units of the parameters.\n\n"
      "    v = rho v + (1 - rho) g^2\n"
      "    d = sqrt(u + eps) / sqrt(v + eps) g\n"
      "    u = rho u + (1 - rho) d^2\n"
      "    p = p - lr d\n\n"
      "Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012, arXiv:1212.5701.";
  static constexpr Defaults defaults{.lr = 1};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("square_avg", "acc_delta");
  static constexpr auto fields = fields_of<Adadelta>(
      Field<Adadelta>{"rho", &Adadelta::rho, closed_fraction, "Decay of both mean squares."},
      Field<Adadelta>{"eps", &Adadelta::eps, non_negative, "Constant added to both mean squares."});

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr), b = narrow<F>(rho), a = narrow<F>(1 - rho), tiny = narrow<F>(eps);
    return [=](F& p, F g, F& v, F& u) {
      v = b * v + a * g * g;
      // Two roots: the quotient under one would underflow where eps is small and g is large.
      const F d = square_root(u + tiny) / square_root(v + tiny) * g;
      u = b * u + a * d * d;
      p -= lr * d;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
