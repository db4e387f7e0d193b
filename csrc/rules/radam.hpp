#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct RAdam {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;

  static constexpr const char* name = "RAdam";
  static constexpr const char* doc =
      "RAdam: Adam whose rate is rectified by the variance of v, and plain momentum in the first\n"
      "steps, where that variance is unbounded.\n\n"
      "    m, v as in Adam;  r_inf = 2 / (1 - beta2) - 1\n"
      "    r = r_inf - 2 t beta2^t / (1 - beta2^t)\n"
      "    r > 5:  p = p - lr m^ sqrt(1 - beta2^t) / (sqrt(v) + eps)\n"
      "                  sqrt((r - 4)(r - 2) r_inf / ((r_inf - 4)(r_inf - 2) r))\n"
      "    else:   p = p - lr m^,  m^ = m / (1 - beta1^t)\n\n"
      "Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, 2019,\n"
      "arXiv:1908.03265.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto fields = moment_fields(&RAdam::beta1, &RAdam::beta2, &RAdam::eps);

  template <class F>
  auto step(const Step& t) const {
    const double now = double(t.count), decayed = power(beta2, now), c2 = 1 - decayed;
    const double limit = 2 / (1 - beta2) - 1, length = limit - 2 * now * decayed / c2;
    const bool rectified = length > 5;
    const double rectifier = rectified ? square_root((length - 4) * (length - 2) * limit /
                                                     ((limit - 4) * (limit - 2) * length) * c2)
                                       : 1;
    const F rate = narrow<F>(t.lr * rectifier / (1 - power(beta1, now))), tiny = narrow<F>(eps);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& m, F& v) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      p -= rate * m / (rectified ? square_root(v) + tiny : F(1));
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
