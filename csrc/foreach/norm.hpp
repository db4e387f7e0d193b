// Norms over many arrays. Sums are over blocks of a fixed size, which are added in order: the same
// bits for every number of threads.
#pragma once

#include <cstddef>
#include <vector>

#include "core/dispatch.hpp"
#include "core/dtype.hpp"
#include "core/export.hpp"

namespace pyoptim {

inline constexpr std::size_t sum_block = 1 << 14;  ///< The number of elements of a block.

struct ArrayView {
  const void* data;
  std::size_t size;
  DType dtype;
};

/// The Euclidean norm of all elements together. It overflows only if the norm itself does.
PYOPTIM_API double euclidean_norm(const std::vector<ArrayView>& arrays, Isa isa, int threads);

/// The largest magnitude of all elements; NaN if an element is NaN.
PYOPTIM_API double max_magnitude(const std::vector<ArrayView>& arrays, Isa isa, int threads);

}  // namespace pyoptim
