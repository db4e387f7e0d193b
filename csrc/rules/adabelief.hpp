#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct AdaBelief {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-16;
  double eps_root = 1e-16;

  static constexpr const char* name = "AdaBelief";
  static constexpr const char* doc =
      "AdaBelief: Adam divided by the deviation of the gradient from its mean, not by its size.\n\n"
      "    m = beta1 m + (1 - beta1) g\n"
      "    s = beta2 s + (1 - beta2) (g - m)^2 + eps_root\n"
      "    p = p - lr (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + eps)\n\n"
      "Zhuang et al., AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed "
      "Gradients,\n"
      "2020, arXiv:2010.07468. As in optax, eps_root is added at every step.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_var");
  static constexpr auto fields = fields_of<AdaBelief>(
      Field<AdaBelief>{"beta1", &AdaBelief::beta1, fraction, "Decay of the mean of gradients."},
      Field<AdaBelief>{"beta2", &AdaBelief::beta2, fraction,
                       "Decay of the mean squared deviation from m."},
      Field<AdaBelief>{"eps", &AdaBelief::eps, non_negative, "Constant added to the root."},
      Field<AdaBelief>{"eps_root", &AdaBelief::eps_root, non_negative,
                       "Constant added to the variance."});

  template <class F>
  auto step(const Step& t) const {
    const double root = square_root(1 - power(beta2, double(t.count)));
    const F rate = narrow<F>(t.lr * root / (1 - power(beta1, double(t.count)))),
            tiny = narrow<F>(eps * root);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    const F floor = narrow<F>(eps_root);
    return [=](F& p, F g, F& m, F& s) {
      m = b1 * m + a1 * g;
      s = b2 * s + a2 * (g - m) * (g - m) + floor;
      p -= rate * m / (square_root(s) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
