#pragma once

#include "engine/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <bool Amsbound>
struct AdaBound {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double final_lr = 0.1;
  double gamma = 1e-3;

  static constexpr const char* name = "AdaBound";
  static constexpr const char* doc =
      "AdaBound: Adam whose rate for each element is kept between two bounds that close around\n"
      "that of SGD.\n\n"
      "    m, v as in Adam;  f = final_lr lr / (lr at the first step)\n"
      "    rate = lr sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)\n"
      "    p = p - m clip(rate, f (1 - 1 / (gamma t + 1)), f (1 + 1 / (gamma t)))\n\n"
      "With amsbound, the largest v so far takes the place of v.\n\n"
      "Luo et al., Adaptive Gradient Methods with Dynamic Bound of Learning Rate, 2019,\n"
      "arXiv:1902.09843.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr auto states =
      names("exp_avg", "exp_avg_sq") + name_if<Amsbound>("max_exp_avg_sq");
  static constexpr auto scalars = names("first_lr");
  static constexpr auto fields =
      moment_fields(&AdaBound::beta1, &AdaBound::beta2, &AdaBound::eps) +
      fields_of<AdaBound>(
          Field<AdaBound>{"final_lr", &AdaBound::final_lr, non_negative, "The rate at the end."},
          Field<AdaBound>{"gamma", &AdaBound::gamma, positive, "How fast the bounds close."}) +
      variant_flag<AdaBound>("amsbound", Amsbound, "Divide by the largest v so far.");

  static constexpr void initial_scalars(double lr, double* scalars) { scalars[0] = lr; }

  template <class F>
  auto step(const Step& t) const {
    const double now = double(t.count), first = t.scalars[0];
    const double last = first > 0 ? final_lr * t.lr / first : 0;
    const F least = F(last * (1 - 1 / (gamma * now + 1))), most = F(last * (1 + 1 / (gamma * now)));
    const F rate = F(t.lr * square_root(1 - power(beta2, now)) / (1 - power(beta1, now)));
    const F b1 = F(beta1), a1 = F(1 - beta1), b2 = F(beta2), a2 = F(1 - beta2), tiny = F(eps);
    return [=](F& p, F g, F& m, F& v, Same<F> auto&... largest) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      F second = v;
      ((second = largest = larger(largest, v)), ...);
      p -= m * smaller(most, larger(least, rate / (square_root(second) + tiny)));
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
