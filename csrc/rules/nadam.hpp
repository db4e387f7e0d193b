#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct NAdam {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double momentum_decay = 4e-3;

  static constexpr const char* name = "NAdam";
  static constexpr const char* doc =
      "NAdam: Adam with Nesterov momentum, whose weight mu_t grows with the steps.\n\n"
      "    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2),  M_t = mu_1 mu_2 ... mu_t\n"
      "    m = beta1 m + (1 - beta1) g\n"
      "    v = beta2 v + (1 - beta2) g^2\n"
      "    n = (1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m\n"
      "    p = p - lr n / (sqrt(v / (1 - beta2^t)) + eps)\n\n"
      "Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop, 2016.";
  static constexpr Defaults defaults{.lr = 2e-3};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto scalars = names("mu_product");
  static constexpr auto fields =
      moment_fields(&NAdam::beta1, &NAdam::beta2, &NAdam::eps) +
      fields_of<NAdam>(Field<NAdam>{"momentum_decay", &NAdam::momentum_decay, non_negative,
                                    "Speed at which the momentum grows to beta1."});

  [[nodiscard]] double mu(double t) const {
    return beta1 * (1 - 0.5 * power(0.96, t * momentum_decay));
  }
  static constexpr void initial_scalars(double /*lr*/, double* scalars) { scalars[0] = 1; }
  void advance(const Step& t, double* scalars) const { scalars[0] *= mu(double(t.count)); }

  template <class F>
  auto step(const Step& t) const {
    const double now = double(t.count), next = mu(now + 1), product = t.scalars[0] * mu(now);
    const double root = square_root(1 - power(beta2, now));
    const F rate_g = narrow<F>(t.lr * root * (1 - mu(now)) / (1 - product));
    const F rate_m = narrow<F>(t.lr * root * next / (1 - product * next)),
            tiny = narrow<F>(eps * root);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& m, F& v) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      p -= (rate_g * g + rate_m * m) / (square_root(v) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
