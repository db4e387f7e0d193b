#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct LAMB {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-6;

  static constexpr const char* name = "LAMB";
  static constexpr const char* doc =
      "LAMB: Adam's direction, scaled for each array to the norm of its parameters. Made for "
      "large\n"
      "batches.\n\n"
      "    m, v as in Adam;  m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)\n"
      "    u = m^ / (sqrt(v^) + eps) + weight_decay p\n"
      "    p = p - lr |p| / |u| u                 (the ratio is 1 where a norm is 0)\n\n"
      "Weight decay is part of u, unless decoupled_weight_decay is False.\n\n"
      "You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, 2019,\n"
      "arXiv:1904.00962.";
  static constexpr Defaults defaults{.lr = 1e-3, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range = squared;
  static constexpr bool fused_weight_decay = true;
  static constexpr std::size_t sum_count = 2;  // |p|^2, |u|^2
  static constexpr std::size_t reads[] = {4, 3};
  static constexpr auto states = names("exp_avg", "exp_avg_sq");
  static constexpr auto fields = moment_fields(&LAMB::beta1, &LAMB::beta2, &LAMB::eps);

  /// u, from the states of this step.
  template <class F>
  auto direction(const Step& t) const {
    const double root = square_root(1 - power(beta2, double(t.count)));
    const F scale = narrow<F>(root / (1 - power(beta1, double(t.count)))),
            tiny = narrow<F>(eps * root);
    const F decay = narrow<F>(t.weight_decay);
    return [=](F p, F m, F v) { return scale * m / (square_root(v) + tiny) + decay * p; };
  }

  template <class F>
  auto measure(const Step& t) const {
    const auto along = direction<F>(t);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    return [=](F p, F g, F& m, F& v, double& p_square, double& u_square) {
      m = b1 * m + a1 * g;
      v = b2 * v + a2 * g * g;
      const F u = along(p, m, v);
      p_square = double(p) * double(p);
      u_square = double(u) * double(u);
    };
  }

  template <class F>
  auto step(const Step& t) const {
    const bool none = t.sums[0] == 0 || t.sums[1] == 0;
    const F rate = narrow<F>(t.lr * (none ? 1 : square_root(t.sums[0]) / square_root(t.sums[1])));
    const auto along = direction<F>(t);
    return [=](F& p, F /*g*/, F m, F v) { p -= rate * along(p, m, v); };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
