#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct FTML {
  double beta1 = 0.6;
  double beta2 = 0.999;
  double eps = 1e-8;

  static constexpr const char* name = "FTML";
  static constexpr const char* doc =
      "FTML: follow the moving leader, between RMSprop and Adam.\n\n"
      "    v = beta2 v + (1 - beta2) g^2\n"
      "    d_t = (1 - beta1^t) / lr (sqrt(v / (1 - beta2^t)) + eps)\n"
      "    z = beta1 z + (1 - beta1) g - (d_t - beta1 d_(t-1)) p\n"
      "    p = -z / d_t\n\n"
      "Parameters stay where they are while lr is below 1e-18, whose inverse float32 cannot "
      "square.\n\n"
      "Zheng and Kwok, Follow the Moving Leader in Deep Learning, ICML 2017.";
  static constexpr Defaults defaults{.lr = 2.5e-3};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg_sq", "d", "z");
  static constexpr auto fields = moment_fields(&FTML::beta1, &FTML::beta2, &FTML::eps);

  template <class F>
  auto step(const Step& t) const {
    const double now = double(t.count), c = (1 - power(beta1, now)) / t.lr;
    const bool moves = t.lr > min_rate;
    const F scale = narrow<F>(c / square_root(1 - power(beta2, now))), tiny = narrow<F>(c * eps);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& v, F& d, F& z) {
      v = b2 * v + a2 * g * g;
      const F next_d = moves ? scale * square_root(v) + tiny : d;
      const F next_z = b1 * z + a1 * g - (next_d - b1 * d) * p;
      z = moves ? next_z : z;
      d = next_d;
      p = moves ? -z / d : p;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
