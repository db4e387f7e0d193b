// Products of a matrix in compressed rows with dense ones: threads, sums in double and in a fixed
// order, the same bits for every number of threads and instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/export.hpp"
#include "core/matrix.hpp"

namespace pyoptim {

/// A matrix of which row i has `values` in the columns `indices`, both from starts[i] to
/// starts[i + 1]. Columns may come in any order, and several times: then they are added.
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

/// out <- x w. std::invalid_argument if x is no matrix of so many columns.
PYOPTIM_API void sparse_product(const CsrMatrix& x, const Matrix& w, void* out);

/// out <- x^T d. std::invalid_argument if x is no matrix of so many columns.
PYOPTIM_API void sparse_transposed_product(const CsrMatrix& x, const Matrix& d, void* out);

/// Takes the memory that sparse_transposed_product() needs for x, so that it cannot fail later on
/// this thread. std::invalid_argument as there.
PYOPTIM_API void reserve_sparse_transposed_product(const CsrMatrix& x);

}  // namespace pyoptim
