// The table of losses of one instruction set.
#pragma once

#include "core/backend.hpp"
#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

extern const LossTable loss_table;

}  // namespace pyoptim::PYOPTIM_ISA
