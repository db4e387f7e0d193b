#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Lion {
  double beta1 = 0.9;
  double beta2 = 0.99;

  static constexpr const char* name = "Lion";
  static constexpr const char* doc =
      "Lion: the sign of a mix of momentum and gradient; one state, steps of even size, so a rate\n"
      "three to ten times below Adam's. Weight decay acts on the parameters.\n\n"
      "    p = p - lr sign(beta1 m + (1 - beta1) g)        (sign(0) = 0)\n"
      "    m = beta2 m + (1 - beta2) g\n\n"
      "Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, arXiv:2302.06675.";
  static constexpr Defaults defaults{.lr = 1e-4, .decoupled_weight_decay = true};
  static constexpr auto states = names("exp_avg");
  static constexpr auto fields =
      fields_of<Lion>(Field<Lion>{"beta1", &Lion::beta1, fraction,
                                  "Weight of the momentum in the step; the gradient has the rest."},
                      Field<Lion>{"beta2", &Lion::beta2, fraction, "Decay of the momentum."});

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr);
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), b2 = narrow<F>(beta2),
            a2 = narrow<F>(1 - beta2);
    return [=](F& p, F g, F& m) {
      p -= lr * sign(b1 * m + a1 * g);
      m = b2 * m + a2 * g;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
