// Matrices in blocks of rows: what threads take at a time, and what sums are first made over.
#pragma once

#include <algorithm>
#include <cstddef>

#include "engine/optimizer.hpp"
#include "engine/parallel.hpp"
#include "layers/layers.hpp"

namespace pyoptim {

inline constexpr std::size_t block_elements = 8192;

// A layer's work lies between matrix products whose own threads are still about: waking ours for
// less than this costs more than it saves, and much more on a busy machine.
inline constexpr std::size_t threads_from = std::size_t{1} << 18;

/// A block of rows of a matrix, and where it lies in any matrix of the same shape.
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

/// The elements that threads are counted for: none if a matrix is too small for several.
inline std::size_t elements_for_threads(const Matrix& matrix) {
  const std::size_t elements = matrix.rows * matrix.columns;
  return elements < threads_from ? 0 : elements;
}

}  // namespace pyoptim
