#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <bool Centered, bool Momentum>
struct RMSprop {
  double alpha = 0.99;
  double eps = 1e-8;
  double momentum = 0;

  static constexpr const char* name = "RMSprop";
  static constexpr const char* doc =
      "RMSprop: the gradient over the root of its mean square.\n\n"
      "    v = alpha v + (1 - alpha) g^2\n"
      "    d = g / (sqrt(v) + eps)         (centered: sqrt(v - a^2), a the mean of g)\n"
      "    p = p - lr d                    (momentum: b = momentum b + d, p - lr b)\n\n"
      "Hinton, Neural Networks for Machine Learning, lecture 6, 2012; centered: Graves,\n"
      "arXiv:1308.0850. As in torch, eps stands outside the root.";
  static constexpr Defaults defaults{.lr = 1e-2};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states =
      names("square_avg") + name_if<Centered>("grad_avg") + name_if<Momentum>("momentum_buffer");
  static constexpr auto fields =
      fields_of<RMSprop>(
          Field<RMSprop>{"alpha", &RMSprop::alpha, fraction,
                         "Decay of the mean of squared gradients."},
          Field<RMSprop>{"eps", &RMSprop::eps, non_negative, "Constant added to the root."},
          Field<RMSprop>{"momentum", &RMSprop::momentum, non_negative,
                         "Momentum: fraction of the previous step that is kept."}) +
      variant_flag<RMSprop>("centered", Centered,
                            "Whether to divide by the standard deviation of gradients instead.");

  static constexpr bool applies(const RMSprop& h) { return (h.momentum != 0) == Momentum; }

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr), b = narrow<F>(alpha), a = narrow<F>(1 - alpha),
            tiny = narrow<F>(eps), mu = narrow<F>(momentum);
    const auto direction = [=](F g, F v) { return g / (square_root(v) + tiny); };
    const auto move = [=](F& p, F d, Same<F> auto&... buffer) {
      ((d = buffer = mu * buffer + d), ...);
      p -= lr * d;
    };
    if constexpr (Centered) {
      return [=](F& p, F g, F& v, F& mean, Same<F> auto&... buffer) {
        v = b * v + a * g * g;
        mean = b * mean + a * g;
        move(p, direction(g, larger(F(0), v - mean * mean)), buffer...);
      };
    } else {
      return [=](F& p, F g, F& v, Same<F> auto&... buffer) {
        v = b * v + a * g * g;
        move(p, direction(g, v), buffer...);
      };
    }
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
