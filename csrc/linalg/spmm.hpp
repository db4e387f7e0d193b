// Multiplication of a sparse matrix (CSR) with dense ones. Sums are in double and in a fixed order:
// the same bits for every number of threads and instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/export.hpp"
#include "core/matrix.hpp"

namespace pyoptim {

/// A sparse matrix. Row i has the entries starts[i] to starts[i + 1] of `values`, in the columns
/// `indices`. Columns may be in any order. Duplicates are summed.
struct CsrMatrix {
  const void* values;
  const void* indices;  ///< int64 if `wide`, else int32
  const std::int64_t* starts;
  std::size_t rows;
  std::size_t columns;
  std::size_t size;  ///< of `values` and `indices`
  DType dtype;       ///< float32 or float64
  bool wide;
};

/// out <- x w. Throws std::invalid_argument if an index or start of x is invalid.
PYOPTIM_API void spmm(const CsrMatrix& x, const Matrix& w, void* out);

/// out <- x^T d. Throws std::invalid_argument if an index or start of x is invalid.
PYOPTIM_API void spmm_transposed(const CsrMatrix& x, const Matrix& d, void* out);

/// Allocates the memory that spmm_transposed() needs for x, so that it cannot fail later on this
/// thread. Throws the same exceptions.
PYOPTIM_API void reserve_spmm_transposed(const CsrMatrix& x);

}  // namespace pyoptim
