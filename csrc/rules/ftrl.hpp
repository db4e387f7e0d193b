#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct FTRL {
  double beta = 1;
  double l1 = 0;
  double l2 = 0;

  static constexpr const char* name = "FTRL";
  static constexpr const char* doc =
      "FTRL-proximal: follow the regularized leader, the classic for sparse linear models; with\n"
      "l1 above 0, weights that do not matter are exactly 0.\n\n"
      "    n = n + g^2,  d_t = (beta + sqrt(n)) / lr      (d_0 = beta / lr)\n"
      "    z = z + g - (d_t - d_(t-1)) p\n"
      "    p = 0                                         where |z| <= l1\n"
      "    p = -(z - sign(z) l1) / (d_t + l2)            elsewhere\n\n"
      "Nothing moves while lr is below 1e-18, whose inverse float32 cannot square.\n\n"
      "McMahan et al., Ad Click Prediction: a View from the Trenches, KDD 2013.";
  static constexpr Defaults defaults{.lr = 0.1};
  static constexpr GradientRange gradient_range = squares_summed;
  static constexpr auto states = names("z", "n");
  static constexpr auto scalars = names("last_lr");
  static constexpr auto fields =
      fields_of<FTRL>(Field<FTRL>{"beta", &FTRL::beta, non_negative,
                                  "Constant added to the root, which limits the first steps."},
                      Field<FTRL>{"l1", &FTRL::l1, non_negative, "Weight of the L1 penalty."},
                      Field<FTRL>{"l2", &FTRL::l2, non_negative, "Weight of the L2 penalty."});

  static constexpr void initial_scalars(double /*lr*/, double* scalars) { scalars[0] = 0; }
  static constexpr void advance(const Step& t, double* scalars) {
    if (t.lr > min_rate) scalars[0] = t.lr;
  }

  template <class F>
  auto step(const Step& t) const {
    const bool moves = t.lr > min_rate;
    const double now = moves ? 1 / t.lr : 0, last = t.scalars[0] > 0 ? 1 / t.scalars[0] : now;
    const F rate = narrow<F>(now), last_rate = narrow<F>(last), start = narrow<F>(beta * now),
            ridge = narrow<F>(l2);
    const F grown = narrow<F>(beta * (now - last)), lasso = narrow<F>(l1);
    return [=](F& p, F g, F& z, F& n) {
      const F sum = n + g * g, root = rate * square_root(sum);
      const F next = z + g - (root - last_rate * square_root(n) + grown) * p;
      const F shrunk = next > 0 ? next - lasso : next + lasso;
      const F leader = magnitude(next) <= lasso ? 0 : -shrunk / (root + start + ridge);
      n = moves ? sum : n;
      z = moves ? next : z;
      p = moves ? leader : p;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
