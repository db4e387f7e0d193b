// Products of dense matrices: threads, blocks that fit caches, sums in a fixed order.
#pragma once

#include <cstddef>

#include "core/dispatch.hpp"
#include "core/dtype.hpp"
#include "core/export.hpp"
#include "linalg/kernel_table.hpp"

namespace pyoptim {

extern const PerIsa<GemmTable> gemm_table;

/// A matrix of float32 or float64 whose elements lie any number of elements apart.
struct StridedMatrix {
  const void* data;
  std::size_t rows;
  std::size_t columns;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t column_stride;
};

/// c <- a b, with c's rows `c_stride` elements apart; nothing of c may be in a or b. Every sum is
/// made over blocks of at most gemm_depth terms, in order, then over the blocks: the same bits
/// for every number of threads, on every instruction set, and whatever the strides.
PYOPTIM_API void multiply(const StridedMatrix& a, const StridedMatrix& b, void* c,
                          std::ptrdiff_t c_stride, DType dtype);

/// Takes the memory that multiply() needs for such matrices, so that it cannot fail later on this
/// thread.
PYOPTIM_API void reserve_multiply(const StridedMatrix& a, const StridedMatrix& b, DType dtype);

}  // namespace pyoptim
