#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Sophia {
  double beta1 = 0.965;
  double beta2 = 0.99;
  double gamma = 0.01;
  double eps = 1e-8;
  double clip_threshold = 1;

  static constexpr const char* name = "Sophia";
  static constexpr const char* doc =
      "Sophia: momentum divided by a running estimate h of the Hessian's diagonal, and clipped.\n\n"
      "    m = beta1 m + (1 - beta1) g\n"
      "    p = p - lr clip(m / (1 - beta1^t) / max(gamma h, eps), -clip_threshold, "
      "clip_threshold)\n\n"
      "Call `update_hessian(estimates)` every ten steps or so, with estimates e of the\n"
      "diagonal (Hutchinson's, or batch size times the squared gradient at sampled labels):\n\n"
      "    h = beta2 h + (1 - beta2) e\n\n"
      "Liu et al., Sophia: A Scalable Stochastic Second-order Optimizer for Language Model\n"
      "Pre-training, 2023, arXiv:2305.14342.";
  static constexpr Defaults defaults{
      .lr = 1e-4, .weight_decay = 1e-4, .decoupled_weight_decay = true};
  static constexpr auto states = names("exp_avg", "hessian");
  static constexpr std::size_t hessian_state = 1;
  static constexpr auto fields = fields_of<Sophia>(
      Field<Sophia>{"beta1", &Sophia::beta1, fraction, "Decay of the mean of gradients."},
      Field<Sophia>{"beta2", &Sophia::beta2, fraction, "Decay of the mean of Hessian estimates."},
      Field<Sophia>{"gamma", &Sophia::gamma, positive,
                    "Factor of h in the divisor; a smaller one clips more elements."},
      Field<Sophia>{"eps", &Sophia::eps, positive, "Lower bound of the divisor."},
      Field<Sophia>{"clip_threshold", &Sophia::clip_threshold, positive,
                    "Largest update of an element, before lr."});

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr), correction = narrow<F>(1 / (1 - power(beta1, double(t.count))));
    const F b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1), hessian_scale = narrow<F>(gamma),
            tiny = narrow<F>(eps);
    const F bound = narrow<F>(clip_threshold);
    return [=](F& p, F g, F& m, F& h) {
      m = b1 * m + a1 * g;
      const F newton = correction * m / larger(tiny, hessian_scale * h);
      p -= lr * smaller(bound, larger(-bound, newton));
    };
  }

  /// Updates h with an estimate of the Hessian's diagonal.
  template <class F>
  auto update_hessian() const {
    const F b2 = narrow<F>(beta2), a2 = narrow<F>(1 - beta2);
    return [=](F estimate, F h) { return b2 * h + a2 * estimate; };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
