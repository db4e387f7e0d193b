// The table of the kernels of sparse products of one instruction set.
#pragma once

#include "core/backend.hpp"
#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// For float32, then float64.
extern const SparseKernels sparse_kernels[2];

}  // namespace pyoptim::PYOPTIM_ISA
