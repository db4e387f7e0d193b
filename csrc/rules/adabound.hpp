#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <bool Amsbound>
struct AdaBound {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double final_lr = 0.1;
  double gamma = 1e-3;
  double base_lr = 0;

  static constexpr const char* name = "AdaBound";
  static constexpr const char* doc =
      "AdaBound: Adam whose rate for each element is kept between two bounds that close around\n"
      "that of SGD.\n\n"
      "    m, v as in Adam;  f = final_lr lr / max(base_lr, the largest lr so far)\n"
      "    rate = lr sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)\n"
      "    p = p - m clip(rate, f (1 - 1 / (gamma t + 1)), f (1 + 1 / (gamma t)))\n\n"
      "With amsbound, the largest v so far takes the place of v. Where lr changes, final_lr is "
      "the\n"
      "rate at base_lr, as in the authors' code; but f is never above final_lr. A schedule with a\n"
      "warm-up needs base_lr only to follow that code from its first step on.\n\n"
      "Luo et al., Adaptive Gradient Methods with Dynamic Bound of Learning Rate, 2019,\n"
      "arXiv:1902.09843.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states =
      names("exp_avg", "exp_avg_sq") + name_if<Amsbound>("max_exp_avg_sq");
  static constexpr auto scalars = names("largest_lr");
  static constexpr auto fields =
      moment_fields(&AdaBound::beta1, &AdaBound::beta2, &AdaBound::eps) +
      fields_of<AdaBound>(
          Field<AdaBound>{"final_lr", &AdaBound::final_lr, non_negative,
                          "Rate that the bounds converge to."},
          Field<AdaBound>{"gamma", &AdaBound::gamma, positive,
                          "Speed at which the bounds close, per step."},
          Field<AdaBound>{"base_lr", &AdaBound::base_lr, non_negative,
                          "Value of lr that final_lr refers to; 0 for the lr at construction."}) +
      variant_flag<AdaBound>("amsbound", Amsbound, "Whether to divide by the largest v so far.");

  static constexpr const char* first_lr = "base_lr";

  [[nodiscard]] static double largest_lr(const Step& t) { return larger(t.lr, t.scalars[0]); }
  static void advance(const Step& t, double* scalars) { scalars[0] = largest_lr(t); }

  template <class F>
  auto step(const Step& t) const {
    const double now = double(t.count), base = larger(base_lr, largest_lr(t));
    const double last = base > 0 ? final_lr * t.lr / base : 0;
    const F lower = narrow<F>(last * (1 - 1 / (gamma * now + 1))),
            upper = narrow<F>(last * (1 + 1 / (gamma * now)));
    const F rate = narrow<F>(t.lr * square_root(1 - power(beta2, now)) / (1 - power(beta1, now)));
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2), tiny = narrow<F>(eps);
    return [=](F& p, F g, F& m, F& v, Same<F> auto&... largest) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      F second = v;
      ((second = largest = larger(largest, v)), ...);
      p -= m * smaller(upper, larger(lower, rate / (square_root(second) + tiny)));
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
