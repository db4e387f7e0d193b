#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Adamax {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;

  static constexpr const char* name = "Adamax";
  static constexpr const char* doc =
      "Adamax: Adam with the decayed maximum of gradients in place of their mean square.\n\n"
      "    m = beta1 m + (1 - beta1) g\n"
      "    u = max(beta2 u, |g| + eps)\n"
      "    p = p - lr / (1 - beta1^t) m / u\n\n"
      "Kingma and Ba, Adam: A Method for Stochastic Optimization, section 7.1, 2014,\n"
      "arXiv:1412.6980.";
  static constexpr Defaults defaults{.lr = 2e-3};
  static constexpr auto states = names("exp_avg", "exp_inf");
  static constexpr auto fields = fields_of<Adamax>(
      Field<Adamax>{"beta1", &Adamax::beta1, fraction, "Decay of the mean of gradients."},
      Field<Adamax>{"beta2", &Adamax::beta2, fraction,
                    "Decay of the maximum of gradient magnitudes."},
      Field<Adamax>{"eps", &Adamax::eps, non_negative,
                    "Constant added to the magnitude of each gradient."});

  template <class F>
  auto step(const Step& t) const {
    const F rate = narrow<F>(t.lr / (1 - power(beta1, double(t.count)))), tiny = narrow<F>(eps);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2);
    return [=](F& p, F g, F& m, F& u) {
      m = b1 * m + a1 * g;
      u = larger(b2 * u, magnitude(g) + tiny);
      p -= rate * m / u;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
