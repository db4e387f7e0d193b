// How a loss is written down. A loss is a struct of its parameters with
//   name, doc, fields   tables, as a rule's (rule.hpp)
//   targets             the values that targets may have
//   link                what a model's scores tell with this loss
//   at<F>()             a function of a score z and its target y that returns a Point
// See huber.hpp for one. A loss whose scores depend on each other has row() in place of at():
// see softmax.hpp. The rest is supplied: types, weights, means, threads.
#pragma once

#include "losses/kernel_table.hpp"
#include "simd/fields.hpp"
#include "simd/math.hpp"
#include "simd/vecmath.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The loss of a score, and its first and second derivative by the score.
template <class F>
struct Point {
  double value;
  F slope;
  F curvature;
};

/// A share of a value, which counts for nothing where the share is 0, even if it is infinite.
template <class T>
T share_of(T share, T value) {
  return share == 0 && !(value != value) ? T(0) : share * value;
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

/// Whether a number is neither infinite nor NaN.
inline bool is_finite(float x) { return magnitude(x) <= __FLT_MAX__; }
inline bool is_finite(double x) { return magnitude(x) <= __DBL_MAX__; }

}  // namespace pyoptim::PYOPTIM_ISA
