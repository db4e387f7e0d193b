// The kernels of matrix multiplication, compiled once for each instruction set. Plain data and
// function pointers only.
#pragma once

#include <cstddef>

namespace pyoptim {

/// A part of a matrix multiplication: c <- a b, or c + a b if `adds`. Strides count elements. The
/// columns of b and of c are contiguous.
struct GemmPart {
  const void* a;
  std::ptrdiff_t a_row;   ///< From one row of a to the next.
  std::ptrdiff_t a_step;  ///< From one term of a sum to the next.
  const void* b;
  std::ptrdiff_t b_step;
  void* c;
  std::ptrdiff_t c_row;
  std::size_t rows;
  std::size_t columns;
  std::size_t depth;  ///< The number of terms of each sum, at most gemm_depth.
  bool adds;
};
inline constexpr std::size_t gemm_depth = 256;

struct GemmKernels {
  std::size_t tile_rows;  ///< Parts are fastest if they have a multiple of these.
  std::size_t tile_columns;
  void (*multiply)(const GemmPart&);
};
using GemmTable = GemmKernels[2];  ///< For float32 and float64.

struct SpmmKernels {
  /// sums[j] <- the sum over k of weights[k] table[rows[k]][j], in double and in the order of k. A
  /// table of one column is summed in 16 lanes. Indexed by the type of `rows`: int32, int64.
  void (*weighted_sum[2])(const void* table, const void* rows, const void* weights,
                          std::size_t count, void* sums, std::size_t columns);
};
using SpmmTable = SpmmKernels[2];  ///< For float32 and float64.

}  // namespace pyoptim
