// The list of losses. One with value(), slope() and curvature() works on every score by itself,
// one with row() on a row of scores and its label.
#pragma once

#include <cstddef>

#include "losses/softmax.hpp"
#include "losses/squared.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <class... L>
struct LossList {
  static constexpr std::size_t size = sizeof...(L);
};

using AllLosses = LossList<Squared, Softmax>;

}  // namespace pyoptim::PYOPTIM_ISA
