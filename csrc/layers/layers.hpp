// Layers and losses over whole matrices: threads, fixed blocks of rows, sums in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

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

/// Sum of l1 |w| + l2/2 w^2; its slope is added to `grad`.
PYOPTIM_API double add_penalty(const Matrix& param, void* grad, double l1, double l2);

/// Rows of scores become rows of probabilities.
PYOPTIM_API void softmax(const Matrix& scores);

/// The loss of this name, or nullptr.
PYOPTIM_API const LossInfo* find_loss(std::string_view name);

/// The mean loss; its slope by the scores goes to `slope` unless that is nullptr. The mean is over
/// rows for losses of labels, over scores for others.
PYOPTIM_API double mean_loss(const LossInfo& loss, const Matrix& scores, const void* targets,
                             void* slope);

}  // namespace pyoptim
