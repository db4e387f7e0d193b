// Layers over whole matrices, with threads. Sums are over fixed blocks of rows and in a fixed
// order.
#pragma once

#include "core/dispatch.hpp"
#include "core/export.hpp"
#include "core/matrix.hpp"
#include "nn/kernel_table.hpp"

namespace pyoptim {

/// The kernels of layers.
PYOPTIM_API extern const PerIsa<LayerTable> layer_table;

/// a <- dropout(activation(z + bias)) + skip, where `skip` may be nullptr. If `a` is not the memory
/// of z, z becomes the derivative of a by z, for layer_backward().
PYOPTIM_API void layer_forward(Activation activation, const Matrix& z, const void* bias, void* a,
                               const void* skip = nullptr, const Dropout& dropout = {});

/// grad <- d * grad, the gradient by z, whose column sums are written to `bias_grad`. `grad` may be
/// nullptr if it is 1: then d is the gradient by z.
PYOPTIM_API void layer_backward(const Matrix& d, void* grad, void* bias_grad);

/// Replaces rows of scores by rows of probabilities.
PYOPTIM_API void softmax(const Matrix& scores);

}  // namespace pyoptim
