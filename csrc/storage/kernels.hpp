// The table of storage kernels of one instruction set.
#pragma once

#include "engine/backend.hpp"
#include "engine/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

extern const StorageKernels storage_kernels;

}  // namespace pyoptim::PYOPTIM_ISA
