#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct ADOPT {
  double beta1 = 0.9;
  double beta2 = 0.9999;
  double eps = 1e-6;

  static constexpr const char* name = "ADOPT";
  static constexpr const char* doc =
      "ADOPT: Adam that divides by the v of the steps before, and takes the mean after dividing;\n"
      "it converges with every beta2.\n\n"
      "    first step:  v = g^2, and the parameters stay\n"
      "    then:        n = clip(g / max(sqrt(v), eps), -c, c),  c = (t - 1)^(1/4)\n"
      "                 m = beta1 m + (1 - beta1) n\n"
      "                 p = p - lr m\n"
      "                 v = beta2 v + (1 - beta2) g^2\n\n"
      "Taniguchi et al., ADOPT: Modified Adam Can Converge with Any beta2 with the Optimal Rate,\n"
      "2024, arXiv:2411.02853.";
  static constexpr Defaults defaults{.lr = 1e-3, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto fields = moment_fields(&ADOPT::beta1, &ADOPT::beta2, &ADOPT::eps);

  template <class F>
  auto step(const Step& t) const {
    const bool first = t.count == 1;
    const F bound = narrow<F>(power(double(t.count - 1), 0.25)), lr = narrow<F>(first ? 0 : t.lr),
            tiny = narrow<F>(eps);
    const F b1 = narrow<F>(first ? 1 : beta1), a1 = narrow<F>(1 - beta1);
    const F b2 = narrow<F>(first ? 1 : beta2), a2 = narrow<F>(first ? 1 : 1 - beta2);
    return [=](F& p, F g, F& m, F& v) {
      const F divided = g / larger(tiny, square_root(v));
      m = b1 * m + a1 * smaller(bound, larger(-bound, divided));
      p -= lr * m;
      v = b2 * v + a2 * g * g;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
