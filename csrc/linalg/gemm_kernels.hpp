// The table of kernels of matrix products of one instruction set.
#pragma once

#include "core/backend.hpp"
#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// For float32, then float64.
extern const ProductKernels product_kernels[2];

}  // namespace pyoptim::PYOPTIM_ISA
