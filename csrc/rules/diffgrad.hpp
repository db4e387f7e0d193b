#pragma once

#include "rules/rule.hpp"
#include "simd/vecmath.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct DiffGrad {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;

  static constexpr const char* name = "DiffGrad";
  static constexpr const char* doc =
      "diffGrad: Adam that moves less where the gradient changes little from step to step.\n\n"
      "    m, v as in Adam;  f = 1 / (1 + e^-|g - (the last g)|)      (the last g is 0 at first)\n"
      "    p = p - lr f m sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)\n\n"
      "Dubey et al., diffGrad: An Optimization Method for Convolutional Neural Networks, 2019,\n"
      "arXiv:1909.11015.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_sq", "previous_grad");
  static constexpr auto fields = moment_fields(&DiffGrad::beta1, &DiffGrad::beta2, &DiffGrad::eps);

  template <class F>
  auto step(const Step& t) const {
    const auto now = double(t.count);
    const F rate = narrow<F>(t.lr * square_root(1 - power(beta2, now)) / (1 - power(beta1, now)));
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2), tiny = narrow<F>(eps);
    return [=](F& p, F g, F& m, F& v, F& last) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      // The logistic function and the quotient share one division.
      const F spread = 1 + exponential(-magnitude(g - last));
      last = g;
      p -= rate * m / ((square_root(v) + tiny) * spread);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
