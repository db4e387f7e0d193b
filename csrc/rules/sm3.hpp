#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <bool Momentum>
struct SM3 {
  double beta1 = 0.9;
  double beta2 = 1;
  double eps = 1e-8;

  static constexpr const char* name = "SM3";
  static constexpr const char* doc =
      "SM3: Adagrad whose sums of squares are bounded by one number per row and one per column.\n\n"
      "    v = beta2 min(R, C) + w g^2                (w = 1 - beta2, or 1 where beta2 is 1)\n"
      "    R = largest v of the row,  C = largest v of the column\n"
      "    m = beta1 m + (1 - beta1) g / sqrt(v + eps)        (0 / 0 is 0)\n"
      "    p = p - lr m\n\n"
      "An array of more than two axes is a matrix with a row for each index of the first; one\n"
      "with fewer keeps all sums of squares. As in optax, which treats every axis separately,\n"
      "except that R and C ignore NaN.\n\n"
      "Anil et al., Memory-Efficient Adaptive Optimization, 2019, arXiv:1901.11150.";
  static constexpr Defaults defaults{.lr = 1e-2};
  static constexpr GradientRange gradient_range = squares_summed;
  static constexpr auto states =
      names("row_accumulator", "column_accumulator") + name_if<Momentum>("momentum_buffer");
  static constexpr auto shapes =
      shapes_of(StateShape::row, StateShape::column, StateShape::element);
  static constexpr Matrices matrices = Matrices::first_axis;
  static constexpr double no_row = __builtin_huge_val();
  static constexpr Combination combination = Combination::largest;
  static constexpr std::size_t reads[1] = {Momentum ? 3 : 2};
  static constexpr auto fields =
      fields_of<SM3>(Field<SM3>{"beta1", &SM3::beta1, fraction,
                                "Decay of the mean of updates; 0 for no momentum."},
                     Field<SM3>{"beta2", &SM3::beta2, positive_fraction,
                                "Decay of the squared gradients; 1 sums them up."},
                     Field<SM3>{"eps", &SM3::eps, non_negative,
                                "Constant added to the squares, which prevents a division by 0."});

  static constexpr bool applies(const SM3& h) { return (h.beta1 != 0) == Momentum; }

  template <class F>
  auto combine(const Step& /*t*/) const {
    return [=](F /*old*/, F largest) { return largest; };
  }

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr), b1 = narrow<F>(beta1), a1 = narrow<F>(1 - beta1),
            tiny = narrow<F>(eps);
    const F b2 = narrow<F>(beta2), a2 = narrow<F>(beta2 == 1 ? 1 : 1 - beta2);
    const auto square = [=](F g, F row, F column) {
      return b2 * smaller(row, column) + a2 * g * g;
    };
    const auto along = [=](F g, F v) { return v == 0 ? F(0) : g / square_root(v + tiny); };
    if constexpr (Momentum)
      return [=](F& p, F g, F row, F column, F& m, F& bound) {
        const F v = square(g, row, column);
        m = b1 * m + a1 * along(g, v);
        p -= lr * m;
        bound = v;
      };
    else
      return [=](F& p, F g, F row, F column, F& bound) {
        const F v = square(g, row, column);
        p -= lr * along(g, v);
        bound = v;
      };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
