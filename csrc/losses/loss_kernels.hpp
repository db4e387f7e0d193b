// The loops of a loss. Compiled once for each instruction set, in one source for each file of
// losses, which CMakeLists.txt writes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "losses/kernel_table.hpp"
#include "losses/loss.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// Losses of one score each. The first `Derivatives` derivatives are written. All is inlined, large
/// as it may be: a call would keep the loop from being vectorised.
template <class L, class F, bool Weighted, int Derivatives>
[[gnu::flatten]] double by_score(const double* parameters, const LossBatch& batch) {
  const auto at = from_values<L>(parameters).template at<F>();
  const F* const z = static_cast<const F*>(batch.scores);
  const F* const y = static_cast<const F*>(batch.targets);
  F* const slope = static_cast<F*>(batch.slope);
  F* const curvature = static_cast<F*>(batch.curvature);
  const double* const weights = batch.weights;
  const double scale = batch.scale;
  return sum_in_lanes(batch.rows * batch.columns, [=](std::size_t i) {
    Point<F> point = at(z[i], y[i]);
    // Where a score that is not finite has no loss, the slope that a formula may have there is not
    // to move a model: a slope of NaN is found, and its step skipped.
    if (Derivatives > 0 && !is_finite(z[i]) && !is_finite(point.value))
      point.slope = point.curvature = F(__builtin_nan(""));
    const double weight = Weighted ? weights[i] : 1;
    const F factor = F(weight * scale);
    const bool counts = !Weighted || weight != 0;
    if constexpr (Derivatives > 0) slope[i] = counts ? factor * point.slope : F(0);
    if constexpr (Derivatives > 1) curvature[i] = counts ? factor * point.curvature : F(0);
    return counts ? weight * point.value : 0;
  });
}

/// Losses of one row each.
template <class L, class F>
[[gnu::flatten]] double by_row(const double* parameters, const LossBatch& batch) {
  const L loss = from_values<L>(parameters);
  const F* const z = static_cast<const F*>(batch.scores);
  const F* const y = static_cast<const F*>(batch.targets);
  F* const slope = static_cast<F*>(batch.slope);
  F* const curvature = static_cast<F*>(batch.curvature);
  const std::size_t columns = batch.columns;
  double sum = 0;
  for (std::size_t i = 0; i < batch.rows; ++i) {
    const std::size_t at = i * columns;
    const double weight = batch.weights == nullptr ? 1 : batch.weights[i];
    if (weight != 0) {
      sum += weight * loss.row(z + at, y == nullptr ? nullptr : y + at,
                               y == nullptr ? batch.labels[i] : 0,
                               slope == nullptr ? nullptr : slope + at,
                               curvature == nullptr ? nullptr : curvature + at,
                               weight * batch.scale, columns);
      continue;
    }
    for (std::size_t j = at; slope != nullptr && j < at + columns; ++j) slope[j] = 0;
    for (std::size_t j = at; curvature != nullptr && j < at + columns; ++j) curvature[j] = 0;
  }
  return sum;
}

template <class L, class F, bool Weighted>
double with_derivatives(const double* parameters, const LossBatch& batch) {
  if (batch.slope == nullptr) return by_score<L, F, Weighted, 0>(parameters, batch);
  if (batch.curvature == nullptr) return by_score<L, F, Weighted, 1>(parameters, batch);
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
