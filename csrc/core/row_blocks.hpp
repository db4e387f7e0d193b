// Matrices in blocks of rows, which are the unit of work of threads and of partial sums.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/dtype.hpp"
#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "core/threads.hpp"

namespace pyoptim {

inline constexpr std::size_t block_elements = 8192;

// The smallest matrix that is worth several threads. Layers run between matrix multiplications
// whose threads still spin, so waking other threads is expensive here.
inline constexpr std::size_t threads_from = std::size_t{1} << 18;

/// A block of rows, and its byte offset in every matrix of the same shape.
struct Block {
  std::size_t index;
  std::size_t first_row;
  std::size_t rows;
  std::size_t offset;

  [[nodiscard]] void* in(void* data) const {
    return data == nullptr ? nullptr : static_cast<std::byte*>(data) + offset;
  }
  [[nodiscard]] const void* in(const void* data) const {
    return data == nullptr ? nullptr : static_cast<const std::byte*>(data) + offset;
  }
};

/// The blocks of a matrix.
class Blocks {
 public:
  explicit Blocks(const Matrix& matrix)
      : rows_(matrix.rows),
        row_bytes_(matrix.columns * item_size(matrix.dtype)),
        height_(
            std::max<std::size_t>(1, block_elements / std::max<std::size_t>(1, matrix.columns))) {}

  [[nodiscard]] std::size_t count() const { return (rows_ + height_ - 1) / height_; }
  [[nodiscard]] Block operator[](std::size_t i) const {
    const std::size_t first = i * height_;
    return {i, first, std::min(height_, rows_ - first), first * row_bytes_};
  }

 private:
  std::size_t rows_, row_bytes_, height_;
};

/// The number of elements that the number of threads is computed from; 0 for small matrices.
inline std::size_t elements_for_threads(const Matrix& matrix) {
  const std::size_t elements = matrix.rows * matrix.columns;
  return elements < threads_from ? 0 : elements;
}

/// Calls work(block) for every block of rows, on several threads if the matrix is large.
template <class Work>
void over_blocks(const Matrix& matrix, const Work& work) {
  const Blocks blocks(matrix);
  const Team team(elements_for_threads(matrix), 0);
  parallel_for(team.threads(), blocks.count(), 1, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) work(blocks[i]);
  });
}

/// Sums over the columns of a matrix. They are computed for each block and then added in order. The
/// memory belongs to the calling thread, so that steps do not allocate. Only one object may use it
/// at a time.
class ColumnSums {
 public:
  ColumnSums(const Matrix& matrix, std::size_t kinds)
      : columns_(matrix.columns),
        dtype_(matrix.dtype),
        each_(Blocks(matrix).count() * matrix.columns),
        data_(zeros(kinds * std::max(each_, columns_))) {}

  /// Allocates the memory for the sums of such a matrix, so that the constructor cannot fail later
  /// on this thread.
  static void reserve(const Matrix& matrix, std::size_t kinds) {
    buffer().reserve(kinds * std::max(Blocks(matrix).count(), std::size_t{1}) * matrix.columns);
  }

  /// The sums of one kind of a block.
  [[nodiscard]] double* of(std::size_t kind, const Block& block) const {
    return data_ + kind * each_ + block.index * columns_;
  }

  /// Adds the sums of all blocks, once; 0 if there are no blocks.
  double* total(std::size_t kind) {
    double* const sums = data_ + kind * each_;
    for (std::size_t i = columns_; i < each_; i += columns_)
      for (std::size_t j = 0; j < columns_; ++j) sums[j] += sums[i + j];
    return sums;
  }

  /// Rounds totals to the dtype of the matrix.
  void store(const double* sums, void* values) const {
    for (std::size_t j = 0; j < columns_; ++j) {
      if (dtype_ == DType::float64)
        static_cast<double*>(values)[j] = sums[j];
      else
        static_cast<float*>(values)[j] = float(sums[j]);
    }
  }

 private:
  static std::vector<double>& buffer() {
    thread_local std::vector<double> memory;
    return memory;
  }
  static double* zeros(std::size_t count) {
    buffer().assign(count, 0.0);
    return buffer().data();
  }

  std::size_t columns_;
  DType dtype_;
  std::size_t each_;
  double* data_;
};

}  // namespace pyoptim
