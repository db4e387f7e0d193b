// The loops of a loss. Compiled once for each instruction set, in one source for each file of
// losses, which CMakeLists.txt writes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "losses/kernel_table.hpp"
#include "losses/loss.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// Losses of single scores. The first `Derivatives` derivatives are written. Everything is inlined,
/// because a call would prevent vectorization.
template <class L, class F, bool Weighted, int Derivatives>
[[gnu::flatten]] double by_score(const double* parameters, const LossBatch& batch) {
  const auto at = from_values<L>(parameters).template at<F>();
  const F* const z = static_cast<const F*>(batch.scores);
  const F* const y = static_cast<const F*>(batch.targets);
  F* const grad = static_cast<F*>(batch.grad);
  F* const hessian = static_cast<F*>(batch.hessian);
  const double* const weights = batch.weights;
  const double scale = batch.scale;
  return sum_in_lanes(batch.rows * batch.columns, [=](std::size_t i) {
    Point<F> point = at(z[i], y[i]);
    // A score that is not finite may have no finite loss, although the formula of its gradient
    // gives a number. NaN is written instead, so that the step is skipped.
    if (Derivatives > 0 && !is_finite(z[i]) && !is_finite(point.value))
      point.grad = point.hessian = F(__builtin_nan(""));
    const double weight = Weighted ? weights[i] : 1;
    const F factor = F(weight * scale);
    const bool counts = !Weighted || weight != 0;
    if constexpr (Derivatives > 0) grad[i] = counts ? factor * point.grad : F(0);
    if constexpr (Derivatives > 1) hessian[i] = counts ? factor * point.hessian : F(0);
    return counts ? weight * point.value : 0;
  });
}

/// Losses of rows of scores.
template <class L, class F>
[[gnu::flatten]] double by_row(const double* parameters, const LossBatch& batch) {
  const L loss = from_values<L>(parameters);
  const F* const z = static_cast<const F*>(batch.scores);
  const F* const y = static_cast<const F*>(batch.targets);
  F* const grad = static_cast<F*>(batch.grad);
  F* const hessian = static_cast<F*>(batch.hessian);
  const std::size_t columns = batch.columns;
  double sum = 0;
  for (std::size_t i = 0; i < batch.rows; ++i) {
    const std::size_t at = i * columns;
    const double weight = batch.weights == nullptr ? 1 : batch.weights[i];
    if (weight != 0) {
      sum += weight *
             loss.row(z + at, y == nullptr ? nullptr : y + at, y == nullptr ? batch.labels[i] : 0,
                      grad == nullptr ? nullptr : grad + at,
                      hessian == nullptr ? nullptr : hessian + at, weight * batch.scale, columns);
      continue;
    }
    for (std::size_t j = at; grad != nullptr && j < at + columns; ++j) grad[j] = 0;
    for (std::size_t j = at; hessian != nullptr && j < at + columns; ++j) hessian[j] = 0;
  }
  return sum;
}

template <class L, class F, bool Weighted>
double with_derivatives(const double* parameters, const LossBatch& batch) {
  if (batch.grad == nullptr) return by_score<L, F, Weighted, 0>(parameters, batch);
  if (batch.hessian == nullptr) return by_score<L, F, Weighted, 1>(parameters, batch);
  return by_score<L, F, Weighted, 2>(parameters, batch);
}

template <class L, class F>
double evaluate(const double* parameters, const LossBatch& batch) {
  if constexpr (OfRows<L>)
    return by_row<L, F>(parameters, batch);
  else if (batch.weights == nullptr)
    return with_derivatives<L, F, false>(parameters, batch);
  else
    return with_derivatives<L, F, true>(parameters, batch);
}

}  // namespace pyoptim::PYOPTIM_ISA
