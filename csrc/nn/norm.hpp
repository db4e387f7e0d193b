// Layer norm and batch norm over whole matrices: fixed blocks of rows, sums in a fixed order.
#pragma once

#include "nn/layers.hpp"

namespace pyoptim {

/// Running statistics of columns, of the matrix' dtype: the next ones count by `momentum`.
struct RunningStatistics {
  void* mean;
  void* variance;
  double momentum;
};

/// z <- (z - mean) / sqrt(variance + eps) of every row, and scaled <- gain * z, which may be z.
/// The factors 1 / sqrt(variance + eps), one a row, go to `factors`, unless it is nullptr.
/// Ba, Kiros and Hinton, Layer normalization, arXiv:1607.06450.
PYOPTIM_API void layer_norm(const Matrix& z, const void* gain, void* scaled, double* factors,
                            double eps);

/// d, the slope by `scaled`, becomes the slope by what was normalised. `normal` is what z became.
PYOPTIM_API void layer_norm_backward(const Matrix& d, const void* normal, const void* gain,
                                     const double* factors, void* gain_grad);

/// The same with mean and variance of every column; one factor a column. Needs two rows or more.
/// The running variance takes that of the whole population, as estimated from the batch.
/// Ioffe and Szegedy, Batch normalization, arXiv:1502.03167.
PYOPTIM_API void batch_norm(const Matrix& z, const void* gain, void* scaled, double* factors,
                            double eps, const RunningStatistics& running);

PYOPTIM_API void batch_norm_backward(const Matrix& d, const void* normal, const void* gain,
                                     const double* factors, void* gain_grad);

}  // namespace pyoptim
