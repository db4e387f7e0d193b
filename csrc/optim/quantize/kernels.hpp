// The table of storage kernels of one instruction set.
#pragma once

#include "core/backend.hpp"
#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

extern const StorageKernels storage_kernels;

}  // namespace pyoptim::PYOPTIM_ISA
