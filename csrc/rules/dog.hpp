#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct DoG {
  double eps = 1e-8;
  double reps_rel = 1e-6;

  static constexpr const char* name = "DoG";
  static constexpr const char* doc =
      "DoG: SGD whose rate is the distance from the start over the root of all squared gradients.\n"
      "lr multiplies this rate and is usually 1.\n\n"
      "    r = max(r, |p - p0|)                    (r = reps_rel (1 + |p0|) at first)\n"
      "    G = G + |g|^2                           (norms over all parameters together)\n"
      "    p = p - lr r / sqrt(G + eps) g\n\n"
      "The authors recommend averaging the parameters.\n\n"
      "Ivgi, Hinder and Carmon, DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size\n"
      "Schedule, 2023, arXiv:2302.12022.";
  static constexpr Defaults defaults{.lr = 1};
  static constexpr std::size_t sum_count = 2;  // |p - p0|^2, or |p0|^2 at the first step; |g|^2
  static constexpr std::size_t reads[] = {3, 2};
  static constexpr bool global_sums = true;
  static constexpr auto states = names("p0");
  static constexpr std::size_t copied_state = 0;
  static constexpr auto scalars = names("r", "G");
  static constexpr auto fields = fields_of<DoG>(
      Field<DoG>{"eps", &DoG::eps, non_negative, "Constant added to the sum of squares."},
      Field<DoG>{"reps_rel", &DoG::reps_rel, positive,
                 "Length of the first step, relative to 1 + |p0|."});

  static constexpr void initial_scalars(double /*lr*/, double* scalars) {
    scalars[0] = scalars[1] = 0;
  }
  [[nodiscard]] double radius(const Step& t) const {
    const double length = square_root(t.sums[0]);
    if (t.scalars[0] == 0) return reps_rel * (1 + length);
    return length > t.scalars[0] ? length : t.scalars[0];
  }
  void advance(const Step& t, double* scalars) const {
    scalars[0] = radius(t);
    scalars[1] += t.sums[1];
  }

  template <class F>
  auto measure(const Step& t) const {
    const bool start = t.scalars[0] == 0;
    return [=](F p, F g, F p0, double& distance, double& g_square) {
      const double away = start ? double(p) : double(p) - double(p0);
      distance = away * away;
      g_square = double(g) * double(g);
    };
  }

  template <class F>
  auto step(const Step& t) const {
    const double root = square_root(t.scalars[1] + t.sums[1] + eps);
    const F rate = narrow<F>(root == 0 ? 0 : t.lr * radius(t) / root);
    return [=](F& p, F g, F /*p0*/) { p -= rate * g; };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
