#pragma once

#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct RowwiseAdagrad {
  double eps = 1e-10;
  double initial_accumulator_value = 0;

  static constexpr const char* name = "RowwiseAdagrad";
  static constexpr const char* doc =
      "Row-wise Adagrad: one sum of mean squares for each row, as of an embedding table.\n\n"
      "    s = s + mean(g^2)                          (over the row)\n"
      "    p = p - lr g / (sqrt(s) + eps)\n\n"
      "A row is the part of an array with the same index of the first axis.\n\n"
      "Mudigere et al., Software-Hardware Co-design for Fast and Scalable Training of Deep "
      "Learning\n"
      "Recommendation Models, 2021, arXiv:2104.05158.";
  static constexpr Defaults defaults{.lr = 1e-2};
  static constexpr GradientRange gradient_range = squares_summed;
  static constexpr bool supports_row_grad = true;
  static constexpr auto states = names("row_sum");
  static constexpr auto shapes = shapes_of(StateShape::row);
  static constexpr Matrices matrices = Matrices::first_axis;
  static constexpr double no_row = 0;
  static constexpr Combination combination = Combination::sum;
  static constexpr std::size_t reads[2] = {1, 2};
  static constexpr auto fields = fields_of<RowwiseAdagrad>(
      Field<RowwiseAdagrad>{"eps", &RowwiseAdagrad::eps, non_negative,
                            "Constant added to the root."},
      Field<RowwiseAdagrad>{"initial_accumulator_value", &RowwiseAdagrad::initial_accumulator_value,
                            non_negative, "Initial value of the sums."});

  [[nodiscard]] double initial(double /*lr*/, std::size_t /*state*/) const {
    return initial_accumulator_value;
  }

  template <class F>
  auto combine(const Step& /*t*/) const {
    return [=](F old, F mean) { return old + mean; };
  }

  template <class F>
  auto collect(const Step& /*t*/) const {
    return [=](F /*p*/, F g, F& g_square, F& /*unused*/) { g_square = g * g; };
  }

  template <class F>
  auto step(const Step& t) const {
    const F lr = narrow<F>(t.lr), tiny = narrow<F>(eps);
    // The quotient is the same for a whole row. It stays finite, so that 0 times it is 0.
    return [=](F& p, F g, F row, F /*column*/) {
      p -= smaller(largest_number<F>, lr / (square_root(row) + tiny)) * g;
    };
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
