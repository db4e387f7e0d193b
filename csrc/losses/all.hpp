// The list of losses. A new one is a file in this folder and a line here.
#pragma once

#include <cstddef>

#include "losses/absolute.hpp"
#include "losses/epsilon_insensitive.hpp"
#include "losses/focal.hpp"
#include "losses/gamma.hpp"
#include "losses/hinge.hpp"
#include "losses/huber.hpp"
#include "losses/logistic.hpp"
#include "losses/modified_huber.hpp"
#include "losses/poisson.hpp"
#include "losses/quantile.hpp"
#include "losses/softmax.hpp"
#include "losses/squared.hpp"
#include "losses/squared_hinge.hpp"
#include "losses/tweedie.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <class... L>
struct LossList {
  static constexpr std::size_t size = sizeof...(L);
};

// clang-format off
using AllLosses = LossList<
    Squared,
    Absolute,
    Huber,
    Quantile,
    EpsilonInsensitive,
    Logistic,
    Softmax,
    Focal,
    Hinge,
    SquaredHinge,
    ModifiedHuber,
    Poisson,
    Gamma,
    Tweedie>;
// clang-format on

}  // namespace pyoptim::PYOPTIM_ISA
