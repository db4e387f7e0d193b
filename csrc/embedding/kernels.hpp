// The table of kernels of one instruction set for models of tables.
#pragma once

#include "core/backend.hpp"
#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// For float32, then float64.
extern const FactorKernels factor_kernels[2];

}  // namespace pyoptim::PYOPTIM_ISA
