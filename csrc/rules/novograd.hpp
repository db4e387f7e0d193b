#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct NovoGrad {
  double beta1 = 0.95;
  double beta2 = 0.98;
  double eps = 1e-8;

  static constexpr const char* name = "NovoGrad";
  static constexpr const char* doc =
      "NovoGrad: momentum of gradients that are divided by a mean of their array's norm.\n\n"
      "    v = beta2 v + (1 - beta2) |g|^2        (v = |g|^2 at the first step; one an array)\n"
      "    d = g / (sqrt(v) + eps) + weight_decay p\n"
      "    m = beta1 m + d\n"
      "    p = p - lr m\n\n"
      "Ginsburg et al., Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training\n"
      "of Deep Networks, 2019, arXiv:1905.11286.";
  static constexpr Defaults defaults{.lr = 1e-3, .decoupled_weight_decay = true};
  static constexpr bool fused_weight_decay = true;
  static constexpr std::size_t sum_count = 1;  // |g|^2
  static constexpr std::size_t reads[] = {1, 3};
  static constexpr auto states = names("exp_avg");
  static constexpr auto scalars = names("exp_avg_sq");
  static constexpr auto fields = fields_of<NovoGrad>(
      Field<NovoGrad>{"beta1", &NovoGrad::beta1, fraction,
                      "Decay of the sum of normalized gradients."},
      Field<NovoGrad>{"beta2", &NovoGrad::beta2, fraction,
                      "Decay of the mean of squared gradient norms."},
      Field<NovoGrad>{"eps", &NovoGrad::eps, non_negative, "Constant added to the root."});

  [[nodiscard]] double mean_square(const Step& t) const {
    return t.count == 1 && t.scalars[0] == 0 ? t.sums[0]
                                             : beta2 * t.scalars[0] + (1 - beta2) * t.sums[0];
  }
  static constexpr void initial_scalars(double /*lr*/, double* scalars) { scalars[0] = 0; }
  void advance(const Step& t, double* scalars) const { scalars[0] = mean_square(t); }

  template <class F>
  auto measure(const Step& /*t*/) const {
    return [=](F /*p*/, F g, F /*m*/, double& g_square) { g_square = double(g) * double(g); };
  }

  template <class F>
  auto step(const Step& t) const {
    const double norm = square_root(mean_square(t)) + eps;
    const F scale = narrow<F>(norm == 0 ? 0 : 1 / norm), decay = narrow<F>(t.weight_decay);
    const F lr = narrow<F>(t.lr), b1 = narrow<F>(beta1);
    return [=](F& p, F g, F& m) {
      m = b1 * m + (scale * g + decay * p);
      p -= lr * m;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
