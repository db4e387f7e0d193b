#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Adafactor {
  double beta2_decay = -0.8;
  double eps1 = 0;
  double eps2 = 1e-3;
  double d = 1;

  static constexpr const char* name = "Adafactor";
  static constexpr const char* doc =
      "Adafactor: RMSprop whose mean squares are kept by row and column of each matrix only.\n\n"
      "    w = t^beta2_decay,  a = max(eps2, RMS(p)) min(lr, 1 / sqrt(t))\n"
      "    R = R + w (row means of g^2 - R),  C = C + w (column means of g^2 - C)\n"
      "    u = g / max(sqrt(R C / max(mean(R), eps1)), eps1)\n"
      "    p = p - lr weight_decay p - a u / max(1, RMS(u) / d)\n\n"
      "Matrices are over the last two axes of an array; one with fewer axes keeps all mean\n"
      "squares. As in torch, except that a NaN in RMS(u) reaches the whole array. optax decays\n"
      "in another order, adds eps to g^2, and divides by RMS(u) per block.\n\n"
      "Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018,\n"
      "arXiv:1804.04235.";
  static constexpr Defaults defaults{.lr = 1e-2, .decoupled_weight_decay = true};
  static constexpr GradientRange gradient_range{1e-2,
                                                1e17};  // below it, the machine epsilon dominates
  static constexpr bool fused_weight_decay = true;
  static constexpr auto states = names("row_var", "col_var");
  static constexpr auto shapes = shapes_of(StateShape::row, StateShape::column);
  static constexpr Matrices matrices = Matrices::last_two_axes;
  static constexpr const char* one_row_state = "variance";
  static constexpr double no_row = 1;
  static constexpr Combination combination = Combination::sum;
  static constexpr std::size_t reads[3] = {2, 1, 2};
  static constexpr auto fields = fields_of<Adafactor>(
      Field<Adafactor>{"beta2_decay", &Adafactor::beta2_decay, not_above_zero,
                       "Exponent of t in the weight of new squares, at most 0."},
      Field<Adafactor>{"eps1", &Adafactor::eps1, non_negative,
                       "Lower bound of the root of mean squares; 0 for the machine epsilon."},
      Field<Adafactor>{"eps2", &Adafactor::eps2, non_negative,
                       "Lower bound of the parameters' root mean square, which scales the rate."},
      Field<Adafactor>{"d", &Adafactor::d, one_or_more,
                       "Largest root mean square of an update, before the rate."});

  template <class F>
  F min_mean() const {
    return eps1 == 0 ? epsilon<F> : narrow<F>(eps1);
  }

  template <class F>
  auto combine(const Step& t) const {
    const F weight = narrow<F>(power(double(t.count), beta2_decay));
    return [=](F old, F mean) { return old + weight * (mean - old); };
  }

  /// Roots are taken once a row and column, not for every element.
  template <class F>
  auto factor() const {
    return [](F mean) { return 1 / square_root(mean); };
  }

  template <class F>
  auto scaled() const {
    const F upper = 1 / min_mean<F>();
    return [=](F g, F row, F column) { return g * smaller(upper, row * column); };
  }

  template <class F>
  auto collect(const Step& /*t*/) const {
    return [=](F p, F g, F& g_square, F& p_square) {
      g_square = g * g;
      p_square = p * p;
    };
  }

  template <class F>
  auto measure(const Step& /*t*/) const {
    const auto of = scaled<F>();
    return [=](F g, F row, F column, F& u_square) {
      const F u = of(g, row, column);
      u_square = u * u;
    };
  }

  template <class F>
  auto step(const Step& t) const {
    const auto size = double(t.elements);
    const double largest = smaller(t.lr, 1 / square_root(double(t.count)));
    const double scale = larger(eps2, square_root(t.sums[0] / size));
    const double excess = larger(1.0, square_root(t.sums[1] / size) / d);
    const F rate = narrow<F>(largest * scale / excess), keep = narrow<F>(1 - t.lr * t.weight_decay);
    const auto of = scaled<F>();
    return [=](F& p, F g, F row, F column) { p = keep * p - rate * of(g, row, column); };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
