// Layers over whole matrices: threads, fixed blocks of rows, sums in a fixed order.
#pragma once

#include <cstddef>

#include "engine/backend.hpp"
#include "engine/export.hpp"

namespace pyoptim {

/// A row-major matrix of float32 or float64.
struct Matrix {
  void* data;
  std::size_t rows;
  std::size_t columns;
  DType dtype;
};

/// z <- z + bias, then activation(z) to `a`, which may be z's memory.
PYOPTIM_API void layer_forward(Activation activation, const Matrix& z, const void* bias, void* a);

/// d <- d * activation'(z), and its column sums to `bias_grad`.
PYOPTIM_API void layer_backward(Activation activation, const Matrix& d, const void* z,
                                const void* a, void* bias_grad);

/// Rows of scores become rows of probabilities.
PYOPTIM_API void softmax(const Matrix& scores);

}  // namespace pyoptim
