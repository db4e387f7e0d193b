// What wrappers do to all arrays of an optimizer at once: threads over all elements, sums in fixed
// blocks, the same bits for every number of threads and instruction set.
#pragma once

#include <cstddef>
#include <vector>

#include "core/dispatch.hpp"
#include "core/export.hpp"
#include "foreach/kernel_table.hpp"

namespace pyoptim {

/// The kernels of elementwise operations and norms, by dtype.
PYOPTIM_API extern const PerIsa<ForeachTable> foreach_table;

/// One array, and what belongs to it.
struct Vector {
  ForeachSpan part;
  DType dtype;
};

/// Does an operation to every element of all vectors.
PYOPTIM_API void update_vectors(ForeachUpdate ForeachKernels::*operation,
                                const std::vector<Vector>& vectors, double a, double b,
                                int threads);

/// The Euclidean norm of all gradients together, each times |param| + eta if `adaptive`. Does not
/// overflow where the norm itself does not.
PYOPTIM_API double gradient_norm(const std::vector<Vector>& vectors, bool adaptive, double eta,
                                 int threads);

/// Sum of l1 |p| + l2/2 p^2 over all parameters, in fixed blocks. Their smallest subgradient is
/// added to `grads`, one for each vector; the signs that parameters have, or will get if they are
/// 0, go to `copy`.
PYOPTIM_API double penalize(const std::vector<Vector>& vectors, const std::vector<void*>& grads,
                            double l1, double l2, int threads);

/// A matrix, row-major, whose units are clipped: its rows or its columns.
struct Units {
  Vector vector;
  std::size_t rows;
  std::size_t columns;
  bool by_columns;
};

/// The gradient of each unit, scaled down to `clip` times the unit's norm, but not below `clip`
/// times `eps`, goes to `copy`. Gradients count as `scale` times what they are, but are written
/// unscaled.
PYOPTIM_API void clip_units(const std::vector<Units>& units, double clip, double eps, double scale,
                            int threads);

/// Scales every unit's parameters down to the Euclidean norm `most` if theirs is larger.
PYOPTIM_API void limit_norms(const std::vector<Units>& units, double most, int threads);

}  // namespace pyoptim
