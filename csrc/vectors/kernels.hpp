// The table of the wrappers' kernels of one instruction set.
#pragma once

#include "engine/backend.hpp"
#include "engine/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// By dtype.
extern const VectorKernels vector_kernels[dtype_count];

}  // namespace pyoptim::PYOPTIM_ISA
