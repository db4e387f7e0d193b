// The kernels of linear models, compiled once for each instruction set. Plain data and function
// pointers only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyoptim {

/// Consecutive rows of a dense matrix. The elements of a row are contiguous, and `stride` elements
/// separate the starts of two rows.
struct DenseRows {
  const void* values;
  std::size_t rows;
  std::size_t columns;
  std::ptrdiff_t stride;
};

/// Consecutive rows of a CSR matrix. Row i has the entries starts[i] to starts[i + 1] of `values`
/// and `indices`.
struct SparseRows {
  const void* values;
  const void* indices;
  const std::int64_t* starts;
  std::size_t rows;
};

/// Numbers for a group of rows: row i has data[i * stride].
struct PerRow {
  double* data;
  std::ptrdiff_t stride;
};

/// Products of the rows of a design matrix with double vectors. The sums of a row are in 16 lanes,
/// which are added as a tree. Sums over rows are in the order of the rows.
struct LinearKernels {
  /// scores[i] <- scores[i] + sum_j x[i][j] coef[j]
  void (*scores)(const DenseRows& x, const double* coef, const PerRow& scores);
  /// sums[j] <- sums[j] + sum_i x[i][j] factors[i]
  void (*transposed)(const DenseRows& x, const PerRow& factors, double* sums);
  /// The same for sparse rows, with int32 and with int64 indices.
  void (*sparse_scores[2])(const SparseRows& x, const double* coef, const PerRow& scores);
  void (*sparse_transposed[2])(const SparseRows& x, const PerRow& factors, double* sums);
  /// scaled[i][j] <- factors[i] x[i][j], in the dtype of x. The rows of `scaled` are contiguous.
  void (*scale_rows)(const DenseRows& x, const PerRow& factors, void* scaled);
  /// sums[j] <- sums[j] + sum_i factors[i] (x[i][j] - center[j])^2
  void (*squares)(const DenseRows& x, const PerRow& factors, const double* center, double* sums);
  /// The same for sparse rows: the difference of their entries from a row of zeros.
  void (*sparse_squares[2])(const SparseRows& x, const PerRow& factors, const double* center,
                            double* sums);
  /// For sparse rows: sums[a][b] <- sums[a][b] + sum_i factors[i] x[i][a] x[i][b], for b >= a. Rows
  /// of `sums` are `columns` apart.
  void (*sparse_gram[2])(const SparseRows& x, const PerRow& factors, double* sums,
                         std::size_t columns);
};
using LinearTable = LinearKernels[2];  ///< For float32 and float64.

}  // namespace pyoptim
