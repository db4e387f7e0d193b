// The kernels of linear models, as a table for each instruction set.
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

/// Consecutive rows of a matrix in compressed rows. Row i has the entries from starts[i] to
/// starts[i + 1] of `values` and `indices`.
struct SparseRows {
  const void* values;
  const void* indices;
  const std::int64_t* starts;
  std::size_t rows;
};

/// Numbers of a group of rows: the number of row i is at data[i * stride].
struct PerRow {
  double* data;
  std::ptrdiff_t stride;
};

/// Products of the rows of a design matrix with vectors in double, for one type of values. The sums
/// of a row are in 16 lanes, which are added as a tree; sums over rows are in the order of the
/// rows.
struct LinearKernels {
  /// scores[i] <- scores[i] + sum_j x[i][j] coef[j]
  void (*scores)(const DenseRows& x, const double* coef, const PerRow& scores);
  /// sums[j] <- sums[j] + sum_i x[i][j] factors[i]
  void (*transposed)(const DenseRows& x, const PerRow& factors, double* sums);
  /// The same for sparse rows, with int32 and with int64 indices.
  void (*sparse_scores[2])(const SparseRows& x, const double* coef, const PerRow& scores);
  void (*sparse_transposed[2])(const SparseRows& x, const PerRow& factors, double* sums);
  /// scaled[i][j] <- factors[i] x[i][j], in the type of x; the rows of `scaled` are contiguous.
  void (*scale_rows)(const DenseRows& x, const PerRow& factors, void* scaled);
  /// sums[j] <- sums[j] + sum_i factors[i] (x[i][j] - center[j])^2
  void (*squares)(const DenseRows& x, const PerRow& factors, const double* center, double* sums);
  /// The same for sparse rows: what their entries add to that of a row of zeros.
  void (*sparse_squares[2])(const SparseRows& x, const PerRow& factors, const double* center,
                            double* sums);
  /// For sparse rows: sums[a][b] <- sums[a][b] + sum_i factors[i] x[i][a] x[i][b], where b >= a;
  /// rows of `sums` are `columns` apart.
  void (*sparse_gram[2])(const SparseRows& x, const PerRow& factors, double* sums,
                         std::size_t columns);
};
using LinearTable = LinearKernels[2];  ///< For float32 and float64.

}  // namespace pyoptim
