#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct LaProp {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-15;

  static constexpr const char* name = "LaProp";
  static constexpr const char* doc =
      "LaProp: Adam that divides gradients before it averages them, so that momentum and\n"
      "adaptivity are independent.\n\n"
      "    v = beta2 v + (1 - beta2) g^2\n"
      "    m = beta1 m + (1 - beta1) g / (sqrt(v / (1 - beta2^t)) + eps)\n"
      "    p = p - lr m / (1 - beta1^t)\n\n"
      "Ziyin, Wang and Ueda, LaProp: Separating Momentum and Adaptivity in Adam, 2020,\n"
      "arXiv:2002.04839.";
  static constexpr Defaults defaults{.lr = 4e-4, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto fields = moment_fields(&LaProp::beta1, &LaProp::beta2, &LaProp::eps);

  template <class F>
  auto step(const Step& t) const {
    const double root = square_root(1 - power(beta2, double(t.count)));
    const F rate = narrow<F>(t.lr / (1 - power(beta1, double(t.count)))),
            tiny = narrow<F>(eps * root);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>((1 - beta1) * root), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& m, F& v) {
      v = b2 * v + a2 * g * g;
      m = b1 * m + a1 * g / (square_root(v) + tiny);
      p -= rate * m;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
