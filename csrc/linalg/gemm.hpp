// Multiplication of dense matrices, with threads, cache blocking and sums in a fixed order.
#pragma once

#include <cstddef>

#include "core/dispatch.hpp"
#include "core/dtype.hpp"
#include "core/export.hpp"
#include "linalg/kernel_table.hpp"

namespace pyoptim {

extern const PerIsa<GemmTable> gemm_table;

/// A matrix of float32 or float64 with arbitrary strides, which count elements.
struct StridedMatrix {
  const void* data;
  std::size_t rows;
  std::size_t columns;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t column_stride;
};

/// c <- a b, where the rows of c are `c_stride` elements apart and c does not overlap a or b. Every
/// sum is over blocks of at most gemm_depth terms, in order, and then over the blocks. The bits are
/// the same for every number of threads, instruction set and stride.
PYOPTIM_API void gemm(const StridedMatrix& a, const StridedMatrix& b, void* c,
                      std::ptrdiff_t c_stride, DType dtype);

/// Allocates the memory that gemm() needs for such matrices, so that it cannot fail later on this
/// thread.
PYOPTIM_API void reserve_gemm(const StridedMatrix& a, const StridedMatrix& b, DType dtype);

}  // namespace pyoptim
