// The table of losses of one instruction set.
#pragma once

#include "engine/backend.hpp"
#include "engine/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

extern const LossTable loss_table;

}  // namespace pyoptim::PYOPTIM_ISA
