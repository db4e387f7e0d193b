#include "solvers/dense.hpp"

#include <algorithm>
#include <cmath>

#include "core/threads.hpp"

namespace pyoptim {

Cholesky::Cholesky(std::size_t size) : size_(size), rows_(size * size) {}

bool Cholesky::factor(const SolverKernels& kernels, const double* matrix, double shift) {
  const FloatEnvironment environment;
  const std::size_t n = size_;
  for (std::size_t i = 0; i < n; ++i) {
    double* const row = &rows_[i * n];
    for (std::size_t j = 0; j < i; ++j) {
      const double* const other = &rows_[j * n];
      row[j] = (matrix[i * n + j] - kernels.dot(row, other, j)) / other[j];
    }
    const double diagonal = matrix[i * n + i] + shift;
    const double square = diagonal - kernels.dot(row, row, i);
    // Below this the difference is rounding.
    if (!(square > 1e-15 * std::fabs(diagonal)) || !std::isfinite(square)) return false;
    row[i] = std::sqrt(square);
  }
  return true;
}

void Cholesky::solve(const SolverKernels& kernels, const double* b, double* x) const {
  const FloatEnvironment environment;
  const std::size_t n = size_;
  std::copy_n(b, n, x);
  for (std::size_t i = 0; i < n; ++i)
    x[i] = (x[i] - kernels.dot(&rows_[i * n], x, i)) / rows_[i * n + i];
  for (std::size_t i = n; i-- > 0;) {
    x[i] /= rows_[i * n + i];
    kernels.add(&rows_[i * n], -x[i], x, i);
  }
}

}  // namespace pyoptim
