#pragma once

#include "rules/rule.hpp"
#include "simd/vecmath.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <bool Momentum>
struct MADGRAD {
  double momentum = 0.9;
  double eps = 1e-6;

  static constexpr const char* name = "MADGRAD";
  static constexpr const char* doc =
      "MADGRAD: dual averaging with momentum, divided by a cube root.\n\n"
      "    c = (lr + eps) sqrt(t)                    (c = 0 where lr is 0)\n"
      "    n = n + c g^2,  s = s + c g\n"
      "    z = x0 - s / (cbrt(n) + eps)              (x0: the parameters at the start)\n"
      "    p = momentum p + (1 - momentum) z\n\n"
      "Without momentum, x0 is not stored but computed from p, s and n.\n\n"
      "Defazio and Jelassi, Adaptivity without Compromise: A Momentumized, Adaptive, Dual "
      "Averaged\n"
      "Gradient Method for Stochastic Optimization, 2021, arXiv:2101.11075.";
  static constexpr Defaults defaults{.lr = 1e-2};
  static constexpr GradientRange gradient_range = squares_summed;
  static constexpr auto states = names("grad_sum_sq", "s") + name_if<Momentum>("x0");
  static constexpr std::size_t copied_state = 2;  // without momentum there is none
  static constexpr auto fields = fields_of<MADGRAD>(
      Field<MADGRAD>{"momentum", &MADGRAD::momentum, fraction,
                     "Momentum: fraction of the previous parameters that is kept."},
      Field<MADGRAD>{"eps", &MADGRAD::eps, non_negative, "Constant added to the root."});

  static constexpr bool applies(const MADGRAD& h) { return (h.momentum != 0) == Momentum; }

  template <class F>
  auto step(const Step& t) const {
    const double lr = t.lr == 0 ? 0 : t.lr + eps;
    const F c = narrow<F>(lr * square_root(double(t.count))), tiny = narrow<F>(eps),
            moved = narrow<F>(1 - momentum);
    if constexpr (Momentum) {
      return [=](F& p, F g, F& n, F& s, F x0) {
        n += c * g * g;
        s += c * g;
        p += moved * (x0 - s / (cube_root(n) + tiny) - p);
      };
    } else {
      return [=](F& p, F g, F& n, F& s) {
        // x0 - s / (cbrt(n) + eps), where x0 is computed before n and s change.
        const F root = cube_root(n) + tiny, before = root > 0 ? s / root : 0;
        n += c * g * g;
        s += c * g;
        p += before - s / (cube_root(n) + tiny);
      };
    }
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
