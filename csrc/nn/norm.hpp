// Layer norm and batch norm over whole matrices. Sums are over fixed blocks of rows and in a fixed
// order.
#pragma once

#include "nn/layers.hpp"

namespace pyoptim {

/// The running statistics of columns, in the dtype of the matrix. `momentum` is the weight of a
/// batch.
struct RunningStatistics {
  void* mean;
  void* variance;
  double momentum;
};

/// z <- (z - mean) / sqrt(variance + eps) for every row, and scaled <- weight * z, where `scaled`
/// may be z. The factors 1 / sqrt(variance + eps) of the rows are written to `factors`, unless it
/// is nullptr. Ba, Kiros and Hinton, Layer normalization, arXiv:1607.06450.
PYOPTIM_API void layer_norm(const Matrix& z, const void* weight, void* scaled, double* factors,
                            double eps);

/// Turns d, the gradient by `scaled`, into the gradient by the inputs. `normal` is the normalized
/// z.
PYOPTIM_API void layer_norm_backward(const Matrix& d, const void* normal, const void* weight,
                                     const double* factors, void* weight_grad);

/// The same with the mean and variance of every column, and one factor for each column. Needs at
/// least two rows. The running variance uses the unbiased estimate. Ioffe and Szegedy, Batch
/// normalization, arXiv:1502.03167.
PYOPTIM_API void batch_norm(const Matrix& z, const void* weight, void* scaled, double* factors,
                            double eps, const RunningStatistics& running);

PYOPTIM_API void batch_norm_backward(const Matrix& d, const void* normal, const void* weight,
                                     const double* factors, void* weight_grad);

}  // namespace pyoptim
