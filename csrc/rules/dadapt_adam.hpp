#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct DAdaptAdam {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double d0 = 1e-6;

  static constexpr const char* name = "DAdaptAdam";
  static constexpr const char* doc =
      "D-Adaptation: Adam that finds its own rate from a lower bound d of the distance to the\n"
      "solution. lr multiplies this rate: use 1, or a schedule that decays from 1.\n\n"
      "    r = b3 r + (1 - b3) d lr <g, s / (sqrt(v) + eps)>,  b3 = sqrt(beta2)\n"
      "    m = beta1 m + (1 - beta1) d lr g,  v = beta2 v + (1 - beta2) g^2\n"
      "    s = b3 s + (1 - b3) d lr g\n"
      "    p = p (1 - d lr weight_decay) - m / (sqrt(v) + eps)\n"
      "    d = max(d, r / ((1 - b3) |s|_1))       (sums over all parameters together)\n\n"
      "Defazio and Mishchenko, Learning-Rate-Free Learning by D-Adaptation, 2023,\n"
      "arXiv:2301.07733.";
  static constexpr Defaults defaults{.lr = 1, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr bool fused_weight_decay = true;
  static constexpr std::size_t sum_count = 2;  // <g, s / (sqrt(v) + eps)>, |s|_1
  static constexpr std::size_t reads[] = {4, 3};
  static constexpr bool global_sums = true;
  static constexpr auto states = names("exp_avg", "exp_avg_sq", "s");
  static constexpr auto scalars = names("d", "numerator_weighted");
  static constexpr auto fields =
      moment_fields(&DAdaptAdam::beta1, &DAdaptAdam::beta2, &DAdaptAdam::eps) +
      fields_of<DAdaptAdam>(Field<DAdaptAdam>{"d0", &DAdaptAdam::d0, positive,
                                              "Initial estimate of the distance to the solution."});

  void initial_scalars(double /*lr*/, double* scalars) const {
    scalars[0] = d0;
    scalars[1] = 0;
  }
  void advance(const Step& t, double* scalars) const {
    const double d = scalars[0], b3 = square_root(beta2);
    if (t.sums[1] == 0) return;
    scalars[1] = b3 * scalars[1] + (1 - b3) * (d * t.lr * t.sums[0]);
    const double estimate = scalars[1] / ((1 - b3) * t.sums[1]);
    if (t.lr > 0 && estimate > d) scalars[0] = estimate;
  }

  template <class F>
  auto measure(const Step& t) const {
    const double rate = t.scalars[0] * t.lr, beta3 = square_root(beta2);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>((1 - beta1) * rate), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    const F b3 = narrow<F>(beta3), a3 = narrow<F>((1 - beta3) * rate), tiny = narrow<F>(eps);
    return [=](F /*p*/, F g, F& m, F& v, F& s, double& gain, double& length) {
      const F divisor = square_root(v) + tiny;
      gain = divisor > 0 ? double(g) * double(s / divisor) : 0;
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      s = b3 * s + a3 * g;
      length = double(magnitude(s));
    };
  }

  template <class F>
  auto step(const Step& t) const {
    const bool moves = t.sums[1] != 0;
    const F rate = narrow<F>(moves ? 1 : 0), tiny = narrow<F>(eps);
    const F keep = narrow<F>(1 - (moves ? t.scalars[0] * t.lr * t.weight_decay : 0));
    return [=](F& p, F /*g*/, F m, F v, F /*s*/) {
      p = keep * p - rate * m / (square_root(v) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
