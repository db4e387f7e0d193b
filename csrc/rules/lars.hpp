#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct LARS {
  double momentum = 0.9;
  double trust_coefficient = 1e-3;
  double eps = 0;
  double nesterov = 0;

  static constexpr const char* name = "LARS";
  static constexpr const char* doc =
      "LARS: momentum whose rate for each array is proportional to the norm of its parameters.\n\n"
      "    r = trust_coefficient |p| / (|g| + eps)      (1 where a norm is 0)\n"
      "    b = momentum b + lr r g\n"
      "    p = p - b                                    (nesterov: p - (lr r g + momentum b))\n\n"
      "Coupled weight decay is part of g.\n\n"
      "You, Gitman and Ginsburg, Large Batch Training of Convolutional Networks, 2017,\n"
      "arXiv:1708.03888.";
  static constexpr Defaults defaults{.lr = 1e-3};
  static constexpr std::size_t sum_count = 2;  // |p|^2, |g|^2
  static constexpr std::size_t reads[] = {2, 3};
  static constexpr auto states = names("momentum_buffer");
  static constexpr auto fields = fields_of<LARS>(
      Field<LARS>{"momentum", &LARS::momentum, fraction,
                  "Momentum: fraction of the previous step that is kept."},
      Field<LARS>{"trust_coefficient", &LARS::trust_coefficient, positive,
                  "Ratio of a step's norm to the norm of the parameters, before lr."},
      Field<LARS>{"eps", &LARS::eps, non_negative, "Constant added to the norm of the gradient."},
      Field<LARS>{"nesterov", &LARS::nesterov, flag, "Whether to use Nesterov momentum."});

  template <class F>
  auto measure(const Step& /*t*/) const {
    return [=](F p, F g, F /*b*/, double& p_square, double& g_square) {
      p_square = double(p) * double(p);
      g_square = double(g) * double(g);
    };
  }

  template <class F>
  auto step(const Step& t) const {
    const bool none = t.sums[0] == 0 || t.sums[1] == 0;
    const double ratio =
        trust_coefficient * square_root(t.sums[0]) / (square_root(t.sums[1]) + eps);
    const F rate = narrow<F>(t.lr * (none ? 1 : ratio)), mu = narrow<F>(momentum);
    const bool ahead = nesterov != 0;
    return [=](F& p, F g, F& b) {
      b = mu * b + rate * g;
      p -= ahead ? rate * g + mu * b : b;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
