#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Rprop {
  double eta_minus = 0.5;
  double eta_plus = 1.2;
  double step_size_min = 1e-6;
  double step_size_max = 50;

  static constexpr const char* name = "Rprop";
  static constexpr const char* doc =
      "Resilient propagation: every element has a step size of its own, which grows while the\n"
      "gradient keeps its sign and shrinks when the sign turns. For full batches.\n\n"
      "    c = g g_before;  s = clamp(s (eta_plus if c > 0, eta_minus if c < 0, else 1))\n"
      "    g = 0 where c < 0\n"
      "    p = p - s sign(g);  g_before = g        (s = lr before the first step)\n\n"
      "Riedmiller and Braun, A Direct Adaptive Method for Faster Backpropagation Learning: The\n"
      "RPROP Algorithm, 1993.";
  static constexpr Defaults defaults{.lr = 1e-2};
  static constexpr auto states = names("prev", "step_size");
  static constexpr auto fields = fields_of<Rprop>(
      Field<Rprop>{"eta_minus", &Rprop::eta_minus, between_zero_and_one,
                   "Factor that shrinks a step size, below 1."},
      Field<Rprop>{"eta_plus", &Rprop::eta_plus, above_one,
                   "Factor that enlarges a step size, above 1."},
      Field<Rprop>{"step_size_min", &Rprop::step_size_min, non_negative, "Smallest step size."},
      Field<Rprop>{"step_size_max", &Rprop::step_size_max, positive, "Largest step size."});

  static constexpr const char* conflict(const Rprop& h) {
    return h.step_size_min > h.step_size_max ? "step_size_min is above step_size_max" : nullptr;
  }
  static constexpr double initial(double lr, std::size_t state) { return state == 1 ? lr : 0; }

  template <class F>
  auto step(const Step& /*t*/) const {
    const F shrink = narrow<F>(eta_minus), grow = narrow<F>(eta_plus);
    const F lower = narrow<F>(step_size_min), upper = narrow<F>(step_size_max);
    return [=](F& p, F g, F& before, F& size) {
      const F change = sign(g) * before;  // the product of gradients could underflow
      size *= change > 0 ? grow : change < 0 ? shrink : F(1);
      size = smaller(upper, larger(lower, size));
      before = change < 0 ? F(0) : g;
      p -= size * sign(before);
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
