// Elementwise operations and norms over all arrays of an optimizer. Sums are over fixed blocks: the
// same bits for every number of threads and instruction set.
#pragma once

#include <cstddef>
#include <vector>

#include "core/dispatch.hpp"
#include "core/export.hpp"
#include "foreach/kernel_table.hpp"

namespace pyoptim {

/// The kernels of elementwise operations and norms, by dtype.
PYOPTIM_API extern const PerIsa<ForeachTable> foreach_table;

/// The arrays that belong to one parameter.
struct ForeachTensor {
  ForeachSpan part;
  DType dtype;
};

/// Applies an operation to every element of all tensors.
PYOPTIM_API void foreach_update(ForeachUpdate ForeachKernels::*operation,
                                const std::vector<ForeachTensor>& tensors, double a, double b,
                                int threads);

/// The Euclidean norm of all gradients together, each times |param| + eta if `adaptive`. It
/// overflows only if the norm itself does.
PYOPTIM_API double gradient_norm(const std::vector<ForeachTensor>& tensors, bool adaptive,
                                 double eta, int threads);

/// The sum of l1 |p| + l2/2 p^2 over all parameters, in fixed blocks. Its smallest subgradient is
/// added to `grads`, one for each tensor. The signs that parameters have, or will get if they are
/// 0, are written to `copy`.
PYOPTIM_API double penalize(const std::vector<ForeachTensor>& tensors,
                            const std::vector<void*>& grads, double l1, double l2, int threads);

/// A row-major matrix whose units are its rows or its columns.
struct Units {
  ForeachTensor tensor;
  std::size_t rows;
  std::size_t columns;
  bool by_columns;
};

/// Unit-wise clipping: `copy` is the gradient of each unit, scaled down to `clip` times the unit's
/// norm, which counts as at least `eps`. Norms are of gradients times `scale`, but the output is
/// not scaled.
PYOPTIM_API void clip_units(const std::vector<Units>& units, double clip, double eps, double scale,
                            int threads);

/// Scales the parameters of each unit down to the Euclidean norm `max_norm`.
PYOPTIM_API void limit_norms(const std::vector<Units>& units, double max_norm, int threads);

}  // namespace pyoptim
