// How a loss is written. A loss is a struct of its parameters with
//   name, doc, fields   tables, as for rules (rules/rule.hpp)
//   targets             the range of targets
//   link                the meaning of a model's scores
//   at<F>()             returns a function of a score z and its target y that returns a Point
// An example is huber.hpp. A loss whose scores depend on each other has row() instead of at(), as
// in softmax.hpp. The engine does the rest: dtypes, weights, means and threads.
#pragma once

#include "losses/kernel_table.hpp"
#include "simd/fields.hpp"
#include "simd/math.hpp"
#include "simd/vecmath.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The loss of a score, and its first and second derivatives by the score.
template <class F>
struct Point {
  double value;
  F grad;
  F hessian;
};

/// weight * value, but 0 if the weight is 0 and the value is infinite.
template <class T>
T weighted_term(T weight, T value) {
  return weight == 0 && !(value != value) ? T(0) : weight * value;
}

/// A loss of a row of scores.
template <class L>
concept OfRows = requires {
  &L::template row<float>;
};

/// The weighted sum of losses. It is defined in loss_kernels.hpp, and the source of each loss
/// instantiates it.
template <class L, class F>
double evaluate(const double* parameters, const LossBatch& batch);

/// Whether a number is finite.
inline bool is_finite(float x) { return magnitude(x) <= __FLT_MAX__; }
inline bool is_finite(double x) { return magnitude(x) <= __DBL_MAX__; }

}  // namespace pyoptim::PYOPTIM_ISA
