// The table of losses of one instruction set.
#pragma once

#include "core/backend.hpp"
#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

extern const LossTable loss_table;

template <class L>
concept OfRows = requires {
  &L::template row<float>;
};

/// The weighted sum of losses. It is defined in loss_kernels.hpp, and instantiated in the source of
/// each loss.
template <class L, class F>
double evaluate(const double* parameters, const LossBatch& batch);

}  // namespace pyoptim::PYOPTIM_ISA
