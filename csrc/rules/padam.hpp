#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The exponent 2^-Roots / 2 of v, by taking Roots roots of Adam's divisor.
template <int Roots>
struct PAdam {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double partial = 0.25;

  static constexpr const char* name = "PAdam";
  static constexpr const char* doc =
      "Padam: Adam that divides by a smaller power of v, between Adam (1/2) and SGD (0).\n\n"
      "    m, v as in Adam\n"
      "    p = p - lr m sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)^(2 partial)\n\n"
      "Chen et al., Closing the Generalization Gap of Adaptive Gradient Methods in Training Deep\n"
      "Neural Networks, 2018, arXiv:1806.06763.";
  static constexpr Defaults defaults{.lr = 0.1};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto fields =
      moment_fields(&PAdam::beta1, &PAdam::beta2, &PAdam::eps) +
      fields_of<PAdam>(Field<PAdam>{"partial", &PAdam::partial, between_zero_and_one,
                                    "Exponent of v: 0.5, 0.25, 0.125 or 0.0625."});

  static constexpr bool applies(const PAdam& h) { return h.partial * (2 << Roots) == 1; }
  static constexpr const char* conflict(const PAdam& h) {
    const bool known =
        h.partial == 0.5 || h.partial == 0.25 || h.partial == 0.125 || h.partial == 0.0625;
    return known ? nullptr : "partial must be 0.5, 0.25, 0.125 or 0.0625";
  }

  template <class F>
  auto step(const Step& t) const {
    const auto now = double(t.count);
    const F rate = narrow<F>(t.lr * square_root(1 - power(beta2, now)) / (1 - power(beta1, now)));
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2), tiny = narrow<F>(eps);
    return [=](F& p, F g, F& m, F& v) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      F divisor = square_root(v) + tiny;
      for (int i = 0; i < Roots; ++i) divisor = square_root(divisor);
      p -= rate * m / divisor;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
