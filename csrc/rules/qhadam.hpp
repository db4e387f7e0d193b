#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct QHAdam {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double nu1 = 1;
  double nu2 = 1;

  static constexpr const char* name = "QHAdam";
  static constexpr const char* doc =
      "QHAdam: Adam that mixes its means with the gradient and the square of the current step.\n\n"
      "    m, v as in Adam;  m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)\n"
      "    p = p - lr ((1 - nu1) g + nu1 m^) / (sqrt((1 - nu2) g^2 + nu2 v^) + eps)\n\n"
      "nu1 = nu2 = 1 is Adam; the authors recommend nu1 = 0.7 with beta1 = 0.995.\n\n"
      "Ma and Yarats, Quasi-hyperbolic Momentum and Adam for Deep Learning, 2018,\n"
      "arXiv:1810.06801.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto fields =
      moment_fields(&QHAdam::beta1, &QHAdam::beta2, &QHAdam::eps) +
      fields_of<QHAdam>(
          Field<QHAdam>{"nu1", &QHAdam::nu1, non_negative,
                        "Weight of the mean gradient; the current gradient has the rest."},
          Field<QHAdam>{"nu2", &QHAdam::nu2, closed_fraction,
                        "Weight of the mean square; the current square has the rest."});

  template <class F>
  auto step(const Step& t) const {
    const F rate_m = narrow<F>(t.lr * nu1 / (1 - power(beta1, double(t.count))));
    const F rate_g = narrow<F>(t.lr * (1 - nu1)), weight_g = narrow<F>(1 - nu2),
            tiny = narrow<F>(eps);
    const F weight_v = narrow<F>(nu2 / (1 - power(beta2, double(t.count))));
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& m, F& v) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      p -= (rate_g * g + rate_m * m) / (square_root(weight_g * g * g + weight_v * v) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
