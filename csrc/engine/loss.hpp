// How a loss is written down. A loss is a struct of its parameters with
//   name, doc, fields   tables, as a rule's (rule.hpp)
//   targets             the values that targets may have
//   link                what a model's scores tell with this loss
//   at<F>()             a function of a score z and its target y that returns a Point
// See huber.hpp for one. A loss whose scores depend on each other has row() in place of at():
// see softmax.hpp. The rest is supplied: types, weights, means, threads.
#pragma once

#include "engine/backend.hpp"
#include "engine/elementary.hpp"
#include "engine/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The loss of a score, and its first and second derivative by the score.
template <class F>
struct Point {
  double value;
  F slope;
  F curvature;
};

}  // namespace pyoptim::PYOPTIM_ISA
