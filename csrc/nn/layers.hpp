// Layers over whole matrices: threads, fixed blocks of rows, sums in a fixed order.
#pragma once

#include "core/dispatch.hpp"
#include "core/export.hpp"
#include "core/matrix.hpp"
#include "nn/kernel_table.hpp"

namespace pyoptim {

/// The kernels of layers.
PYOPTIM_API extern const PerIsa<LayerTable> layer_table;

/// a <- dropout(activation(z + bias)) + skip, where `skip` may be nullptr. `a` may be z's memory;
/// else z becomes the slope of a by z, for layer_backward().
PYOPTIM_API void layer_forward(Activation activation, const Matrix& z, const void* bias, void* a,
                               const void* skip = nullptr, const Dropout& dropout = {});

/// slope <- d * slope, the gradient by z, and its column sums to `bias_grad`. `slope` may be
/// nullptr where it is 1: then d is that gradient.
PYOPTIM_API void layer_backward(const Matrix& d, void* slope, void* bias_grad);

/// Rows of scores become rows of probabilities.
PYOPTIM_API void softmax(const Matrix& scores);

}  // namespace pyoptim
