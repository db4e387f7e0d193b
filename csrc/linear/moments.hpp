// Means and variances of the columns of a design matrix.
#pragma once

#include "linear/design.hpp"

namespace pyoptim {

/// means[j] <- sum_i w_i x[i][j] / sum_i w_i, and variances[j] <- the weighted mean of the squared
/// distances from it. `weights` is nullptr if all are 1. Rows of weight 0 are not read. Throws
/// std::invalid_argument unless the sum of the weights is finite and above 0.
PYOPTIM_API void column_moments(const Design& design, const double* weights, double* means,
                                double* variances);

}  // namespace pyoptim
