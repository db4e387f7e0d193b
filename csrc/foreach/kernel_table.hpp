// The kernels of elementwise operations and norms, compiled once for each instruction set. Plain
// data and function pointers only.
#pragma once

#include <cstddef>

#include "core/dtype.hpp"

namespace pyoptim {

/// Consecutive elements of the arrays of an operation. `param`, `grad` and `copy` have the dtype of
/// the parameter. `wide` has the dtype of arithmetic. Unused arrays are nullptr.
struct ForeachSpan {
  void* param;
  const void* grad;
  void* wide;
  void* copy;
  std::size_t size;
};

/// An operation on every element of a span. The meaning of `a` and `b` depends on the operation.
using ForeachUpdate = void (*)(const ForeachSpan&, double a, double b);

struct ForeachKernels {
  ForeachUpdate set_scaled;        ///< wide <- a grad
  ForeachUpdate add_scaled;        ///< wide <- wide + a grad
  ForeachUpdate load_params;       ///< wide <- param
  ForeachUpdate store_params;      ///< param <- wide
  ForeachUpdate lerp;              ///< wide <- wide + a (param - wide)
  ForeachUpdate lerp_and_store;    ///< the same, then param <- wide
  ForeachUpdate round_scaled;      ///< copy <- a wide
  ForeachUpdate scale;             ///< copy <- a grad
  ForeachUpdate perturb;           ///< copy <- param, param <- param + a grad
  ForeachUpdate perturb_adaptive;  ///< the same with a (|param| + b)^2 in place of a
  ForeachUpdate soft_threshold;    ///< param <- sign(param) max(|param| - a, 0) b
  ForeachUpdate project_orthant;   ///< param <- 0 unless it has the sign of copy
  /// Returns the sum of a |param| + b/2 param^2 and adds its smallest subgradient to `sum`, which
  /// has the dtype of the parameter. The sign that param has, or will get if it is 0, is written to
  /// `copy`.
  double (*penalize)(const ForeachSpan&, void* sum, double a, double b);
  /// The sum of squares, in 16 lanes of double.
  double (*square_sum)(const void* values, std::size_t size);
  /// The largest magnitude; NaN if a value is NaN.
  double (*max_magnitude)(const void* values, std::size_t size);
  /// The sum of squares of (|param| + eta) grad, in 16 lanes of double.
  double (*adaptive_square_sum)(const void* param, const void* grad, double eta, std::size_t size);
  /// sums[j] <- sums[j] + the squares in column j.
  void (*column_square_sums)(const void* values, double* sums, std::size_t rows,
                             std::size_t columns);
  /// copy[i][j] <- factors[j] grad[i][j]
  void (*scale_columns)(const void* grad, void* copy, const double* factors, std::size_t rows,
                        std::size_t columns);
};
using ForeachTable = ForeachKernels[dtype_count];

}  // namespace pyoptim
