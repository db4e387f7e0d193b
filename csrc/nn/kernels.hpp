// The tables of layer kernels of one instruction set.
#pragma once

#include "core/backend.hpp"
#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// For float32, then float64.
extern const LayerKernels layer_kernels[2];
extern const NormKernels norm_kernels[2];

}  // namespace pyoptim::PYOPTIM_ISA
