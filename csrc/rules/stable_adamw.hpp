#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct StableAdamW {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double eps = 1e-8;

  static constexpr const char* name = "StableAdamW";
  static constexpr const char* doc =
      "StableAdamW: AdamW that moves an array less where its gradients are larger than v expects,\n"
      "as Adafactor does; instead of clipping gradients.\n\n"
      "    b1 = beta1 (1 - beta1^(t-1)) / (1 - beta1^t), b2 likewise\n"
      "    m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2\n"
      "    r = max(1, sqrt(mean(g^2 / max(v, eps^2))))\n"
      "    p = p (1 - lr / r weight_decay) - lr / r m / (sqrt(v) + eps)\n\n"
      "Wortsman et al., Stable and Low-precision Training for Large-scale Vision-language Models,\n"
      "2023, arXiv:2304.13013.";
  static constexpr Defaults defaults{
      .lr = 1e-3, .weight_decay = 1e-2, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr bool fused_weight_decay = true;
  static constexpr std::size_t sum_count = 1;  // the sum of g^2 / max(v, eps^2)
  static constexpr std::size_t reads[] = {3, 3};
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto fields =
      moment_fields(&StableAdamW::beta1, &StableAdamW::beta2, &StableAdamW::eps);

  /// A decay with bias correction, so that means are unbiased from the first step.
  static double corrected(double beta, double t) {
    return beta * (1 - power(beta, t - 1)) / (1 - power(beta, t));
  }

  template <class F>
  auto measure(const Step& t) const {
    const double decay1 = corrected(beta1, double(t.count));
    const double decay2 = corrected(beta2, double(t.count));
    const F b1 = narrow<F>(decay1), a1 = narrow<F>(1 - decay1), b2 = narrow<F>(decay2),
            a2 = narrow<F>(1 - decay2);
    const F lower = narrow<F>(eps * eps);
    return [=](F /*p*/, F g, F& m, F& v, double& ratio) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      const F divisor = larger(lower, v);
      ratio = double(divisor == 0 ? F(0) : g * g / divisor);
    };
  }

  template <class F>
  auto step(const Step& t) const {
    const double root = square_root(t.sums[0] / double(t.elements));
    const double lr = t.lr / (root < 1 ? 1 : root);
    const F rate = narrow<F>(lr), keep = narrow<F>(1 - lr * t.weight_decay), tiny = narrow<F>(eps);
    return [=](F& p, F /*g*/, F m, F v) { p = keep * p - rate * m / (square_root(v) + tiny); };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
