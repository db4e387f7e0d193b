// The design matrix of a linear model: its data, its division among threads, and its products with
// vectors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "core/dispatch.hpp"
#include "core/dtype.hpp"
#include "core/export.hpp"
#include "linalg/gemm.hpp"
#include "linalg/spmm.hpp"
#include "linear/kernel_table.hpp"

namespace pyoptim {

/// A dense matrix of float32 or float64, in any order and with any strides.
struct DenseMatrix {
  StridedMatrix elements;
  DType dtype;
};

/// A design matrix, with one row for each sample and one column for each feature. Tiles are groups
/// of rows whose values stay in the first-level caches between two kernels. Chunks are consecutive
/// tiles for one thread. Both are the same for every number of threads, so all sums over rows are
/// too.
class PYOPTIM_API Design {
 public:
  explicit Design(const DenseMatrix& x);
  /// Throws std::invalid_argument if the starts or indices of x are out of range.
  explicit Design(const CsrMatrix& x);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  /// The number of elements that a pass reads: all of a dense matrix, or the entries of a sparse
  /// one.
  [[nodiscard]] std::size_t elements() const { return elements_; }
  [[nodiscard]] const CsrMatrix* sparse() const { return std::get_if<CsrMatrix>(&x_); }

  [[nodiscard]] std::size_t tile_rows() const { return tile_rows_; }
  /// The number of chunks if each of them needs so many doubles of memory.
  [[nodiscard]] std::size_t chunks(std::size_t doubles) const;

  /// Rows from `begin` up to, but not including, `end`.
  struct Interval {
    std::size_t begin;
    std::size_t end;
    [[nodiscard]] std::size_t size() const { return end - begin; }
  };
  /// The rows of a chunk.
  [[nodiscard]] Interval chunk(std::size_t index, std::size_t count) const;

  /// The bytes that a tile needs to copy rows; 0 if rows are used in place.
  [[nodiscard]] std::size_t copy_bytes(std::size_t rows) const;
  /// A dense tile, copied to `memory` unless its rows are contiguous already.
  [[nodiscard]] DenseRows dense_rows(const Interval& rows, void* memory) const;
  [[nodiscard]] SparseRows sparse_rows(const Interval& rows) const;
  /// 1 if the indices of a sparse matrix are int64, 0 if they are int32.
  [[nodiscard]] std::size_t index_kind() const { return sparse()->wide ? 1 : 0; }

 private:
  std::variant<DenseMatrix, CsrMatrix> x_;
  std::size_t rows_, columns_, elements_, tile_rows_;
  DType dtype_;
};

/// The rows of a tile, for several products.
class DesignTile {
 public:
  DesignTile(const Design& design, const LinearKernels& kernels, const Design::Interval& rows,
             void* memory)
      : kernels_(kernels), size_(rows.size()), item_(item_size(design.dtype())) {
    if (design.sparse() == nullptr) {
      dense_ = design.dense_rows(rows, memory);
    } else {
      sparse_ = design.sparse_rows(rows);
      kind_ = int(design.index_kind());
    }
  }

  /// scores <- scores + x coef, for the given rows of the tile
  void scores(const Design::Interval& rows, const double* coef, const PerRow& scores) const {
    if (kind_ < 0)
      kernels_.scores(part(dense_, rows), coef, part(scores, rows));
    else
      kernels_.sparse_scores[kind_](part(sparse_, rows), coef, part(scores, rows));
  }
  /// sums <- sums + x^T factors
  void transposed(const Design::Interval& rows, const PerRow& factors, double* sums) const {
    if (kind_ < 0)
      kernels_.transposed(part(dense_, rows), part(factors, rows), sums);
    else
      kernels_.sparse_transposed[kind_](part(sparse_, rows), part(factors, rows), sums);
  }
  [[nodiscard]] DenseRows dense_part(const Design::Interval& rows) const {
    return part(dense_, rows);
  }
  [[nodiscard]] SparseRows sparse_part(const Design::Interval& rows) const {
    return part(sparse_, rows);
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  [[nodiscard]] DenseRows part(const DenseRows& x, const Design::Interval& rows) const {
    const auto offset = std::ptrdiff_t(rows.begin) * x.stride * std::ptrdiff_t(item_);
    return {static_cast<const std::byte*>(x.values) + offset, rows.size(), x.columns, x.stride};
  }
  [[nodiscard]] static SparseRows part(const SparseRows& x, const Design::Interval& rows) {
    return {x.values, x.indices, x.starts + rows.begin, rows.size()};
  }
  [[nodiscard]] static PerRow part(const PerRow& numbers, const Design::Interval& rows) {
    return {numbers.data + std::ptrdiff_t(rows.begin) * numbers.stride, numbers.stride};
  }

  const LinearKernels& kernels_;
  std::size_t size_;
  std::size_t item_;  // bytes of a value
  DenseRows dense_{};
  SparseRows sparse_{};
  int kind_ = -1;
};

/// The kernels of the instruction set in use, for float32 and float64.
PYOPTIM_API extern const PerIsa<LinearTable> linear_table;

}  // namespace pyoptim
