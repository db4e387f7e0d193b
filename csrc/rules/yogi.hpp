#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Yogi {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-3;
  double initial_accumulator_value = 1e-6;

  static constexpr const char* name = "Yogi";
  static constexpr const char* doc =
      "Yogi: Adam whose v moves towards g^2 by a step that does not grow with v, so that the rate\n"
      "never jumps up when gradients become sparse.\n\n"
      "    m = beta1 m + (1 - beta1) g\n"
      "    v = v - (1 - beta2) sign(v - g^2) g^2\n"
      "    p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)\n\n"
      "Zaheer et al., Adaptive Methods for Nonconvex Optimization, NeurIPS 2018. As in optax, m "
      "and\n"
      "v start from initial_accumulator_value.";
  static constexpr Defaults defaults{.lr = 1e-2};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto fields = fields_of<Yogi>(
      Field<Yogi>{"beta1", &Yogi::beta1, fraction, "Decay of the mean of gradients."},
      Field<Yogi>{"beta2", &Yogi::beta2, fraction, "Decay of v."},
      Field<Yogi>{"eps", &Yogi::eps, non_negative, "Constant added to the root."},
      Field<Yogi>{"initial_accumulator_value", &Yogi::initial_accumulator_value, non_negative,
                  "Initial value of m and v."});

  [[nodiscard]] constexpr double initial(double /*lr*/, std::size_t /*state*/) const {
    return initial_accumulator_value;
  }

  template <class F>
  auto step(const Step& t) const {
    const double root = square_root(1 - power(beta2, double(t.count)));
    const F rate = narrow<F>(t.lr * root / (1 - power(beta1, double(t.count)))),
            tiny = narrow<F>(eps * root);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& m, F& v) {
      const F square = g * g;
      m = b1 * m + a1 * g;
      v -= a2 * sign(v - square) * square;
      p -= rate * m / (square_root(v) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
