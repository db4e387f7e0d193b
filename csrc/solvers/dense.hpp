// Cholesky factors of dense matrices, for Newton's method.
#pragma once

#include <cstddef>
#include <vector>

#include "solvers/kernel_table.hpp"

namespace pyoptim {

/// The Cholesky factor L of a symmetric matrix A plus a multiple of the unit matrix: A + shift I =
/// L L^T. Nothing is allocated after construction.
class Cholesky {
 public:
  explicit Cholesky(std::size_t size);

  /// Returns false if the matrix, of which the lower triangle is read, is not positive definite.
  bool factor(const SolverKernels& kernels, const double* matrix, double shift);
  /// x <- (L L^T)^-1 b
  void solve(const SolverKernels& kernels, const double* b, double* x) const;

 private:
  std::size_t size_;
  std::vector<double> rows_;  // of L, row-major
};

}  // namespace pyoptim
