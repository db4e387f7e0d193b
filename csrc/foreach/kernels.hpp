// The table of the wrappers' kernels of one instruction set.
#pragma once

#include "core/backend.hpp"
#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// By dtype.
extern const VectorKernels vector_kernels[dtype_count];

}  // namespace pyoptim::PYOPTIM_ISA
