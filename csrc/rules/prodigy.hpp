#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Prodigy {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double d0 = 1e-6;
  double d_coef = 1;

  static constexpr const char* name = "Prodigy";
  static constexpr const char* doc =
      "Prodigy: Adam that finds its own rate from an estimate d of the distance to the solution.\n"
      "lr multiplies this rate: use 1, or a schedule that decays from 1.\n\n"
      "    m = beta1 m + (1 - beta1) d g,  v = beta2 v + (1 - beta2) d^2 g^2\n"
      "    s = beta3 s + d^2 / d0 lr g,  r = beta3 r + d^2 / d0 lr <g, p0 - p>,\n"
      "    beta3 = sqrt(beta2)                    (p0: the parameters at the start)\n"
      "    d' = max(d, d_coef r / |s|_1)          (sums over all parameters together)\n"
      "    p = p (1 - d lr weight_decay) - d lr m / (sqrt(v) + d' eps)\n\n"
      "As in the authors' code with its defaults; optax multiplies lr by Adam's bias corrections,\n"
      "sqrt(1 - beta2^t) / (1 - beta1^t).\n\n"
      "Mishchenko and Defazio, Prodigy: An Expeditiously Adaptive Parameter-Free Learner, 2023,\n"
      "arXiv:2306.06101.";
  static constexpr Defaults defaults{.lr = 1, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr bool fused_weight_decay = true;
  static constexpr std::size_t sum_count = 2;  // <g, p0 - p>, |s|_1
  static constexpr std::size_t reads[] = {6, 3};
  static constexpr bool global_sums = true;
  static constexpr auto states = names("exp_avg", "exp_avg_sq", "s", "p0");
  static constexpr std::size_t copied_state = 3;
  static constexpr auto scalars = names("d", "d_max", "d_numerator");
  static constexpr auto fields =
      moment_fields(&Prodigy::beta1, &Prodigy::beta2, &Prodigy::eps) +
      fields_of<Prodigy>(Field<Prodigy>{"d0", &Prodigy::d0, positive,
                                        "Initial estimate of the distance to the solution."},
                         Field<Prodigy>{"d_coef", &Prodigy::d_coef, positive,
                                        "Factor that multiplies the estimated distance."});

  void initial_scalars(double /*lr*/, double* scalars) const {
    scalars[0] = scalars[1] = d0;
    scalars[2] = 0;
  }

  /// The estimate, the largest so far, and its numerator after this step.
  struct Distance {
    double d;
    double d_max;
    double numerator;
  };
  [[nodiscard]] Distance distance(const Step& t) const {
    const double d = t.scalars[0], d_max = t.scalars[1];
    const double numerator = t.scalars[2] * square_root(beta2) + d / d0 * d * t.lr * t.sums[0];
    if (t.lr == 0 || t.sums[1] == 0) return {d, d_max, t.lr == 0 ? t.scalars[2] : numerator};
    const double estimate = d_coef * numerator / t.sums[1];
    const double first = d == d0 && estimate > d ? estimate : d;
    const double largest = estimate > d_max ? estimate : d_max;
    return {largest > first ? largest : first, largest, numerator};
  }
  void advance(const Step& t, double* scalars) const {
    const Distance estimate = distance(t);
    scalars[0] = estimate.d;
    scalars[1] = estimate.d_max;
    scalars[2] = estimate.numerator;
  }

  template <class F>
  auto measure(const Step& t) const {
    const double d = t.scalars[0], beta3 = square_root(beta2);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>((1 - beta1) * d), b2 = narrow<F>(beta2),
            a2 = narrow<F>((1 - beta2) * d * d);
    const F b3 = narrow<F>(beta3), a3 = narrow<F>(d / d0 * d * t.lr);
    return [=](F p, F g, F& m, F& v, F& s, F p0, double& gain, double& length) {
      gain = double(g) * (double(p0) - double(p));
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      s = b3 * s + a3 * g;
      length = double(magnitude(s));
    };
  }

  template <class F>
  auto step(const Step& t) const {
    const double lr = t.sums[1] == 0 ? 0 : t.scalars[0] * t.lr;
    const F rate = narrow<F>(lr), keep = narrow<F>(1 - lr * t.weight_decay),
            tiny = narrow<F>(distance(t).d * eps);
    return [=](F& p, F /*g*/, F m, F v, F /*s*/, F /*p0*/) {
      p = keep * p - rate * m / (square_root(v) + tiny);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
