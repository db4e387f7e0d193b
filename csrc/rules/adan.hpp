#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Adan {
  double beta1 = 0.98;
  double beta2 = 0.92;
  double beta3 = 0.99;
  double eps = 1e-8;

  static constexpr const char* name = "Adan";
  static constexpr const char* doc =
      "Adan: Nesterov momentum from the differences of consecutive gradients.\n\n"
      "    d = g - (the last g)                      (0 at the first step)\n"
      "    m = beta1 m + (1 - beta1) g\n"
      "    v = beta2 v + (1 - beta2) d\n"
      "    n = beta3 n + (1 - beta3) (g + beta2 d)^2\n"
      "    p = p - lr (m^ + beta2 v^) / (sqrt(n^) + eps)\n"
      "    m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t),  n^ = n / (1 - beta3^t)\n\n"
      "The betas are decay factors, as in the authors' code. The paper writes 1 - beta, and optax\n"
      "weights d and v^ by 1 - beta2, although its b2 is a decay factor.\n\n"
      "Xie et al., Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models,\n"
      "2022, arXiv:2208.06677.";
  static constexpr Defaults defaults{.lr = 1e-3, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_diff", "exp_avg_sq", "previous_grad");
  static constexpr auto fields = fields_of<Adan>(
      Field<Adan>{"beta1", &Adan::beta1, fraction, "Decay of the mean of gradients."},
      Field<Adan>{"beta2", &Adan::beta2, fraction, "Decay of the mean of gradient differences."},
      Field<Adan>{"beta3", &Adan::beta3, fraction, "Decay of the mean of squared gradients."},
      Field<Adan>{"eps", &Adan::eps, non_negative,
                  "Constant added to the root, which prevents a division by 0."});

  template <class F>
  auto step(const Step& t) const {
    const double now = double(t.count), root = square_root(1 - power(beta3, now));
    const F rate_m = narrow<F>(t.lr * root / (1 - power(beta1, now)));
    const F rate_v = narrow<F>(t.lr * root * beta2 / (1 - power(beta2, now))),
            tiny = narrow<F>(eps * root);
    const F known = narrow<F>(begins(t, 3) ? 0 : 1);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    const F b3 = narrow<F>(beta3), a3 = narrow<F>(1 - beta3);
    return [=](F& p, F g, F& m, F& v, F& n, F& last) {
      const F difference = known * (g - last), ahead = g + b2 * difference;
      last = g;
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * difference;
      n = b3 * n + a3 * ahead * ahead;
      p -= (rate_m * m + rate_v * v) / (square_root(n) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
