// The list of optimizers. A new one is a file in this folder and a line here; variants of one
// public name stand together.
#pragma once

#include "rules/adabelief.hpp"
#include "rules/adadelta.hpp"
#include "rules/adagrad.hpp"
#include "rules/adam.hpp"
#include "rules/adamax.hpp"
#include "rules/asgd.hpp"
#include "rules/lion.hpp"
#include "rules/nadam.hpp"
#include "rules/radam.hpp"
#include "rules/rmsprop.hpp"
#include "rules/rprop.hpp"
#include "rules/sgd.hpp"
#include "rules/signum.hpp"
#include "rules/yogi.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <class... R>
struct RuleList {
  static constexpr std::size_t size = sizeof...(R);
};

// clang-format off
using AllRules = RuleList<
    SGD<false>, SGD<true>,
    SignSGD,
    Signum,
    Lion,
    Adagrad,
    RMSprop<false, false>, RMSprop<false, true>, RMSprop<true, false>, RMSprop<true, true>,
    Adadelta,
    Adam<false>, Adam<true>,
    AdamW<false>, AdamW<true>,
    AMSGrad,
    Adamax,
    NAdam,
    RAdam,
    Rprop,
    ASGD,
    AdaBelief,
    Yogi>;
// clang-format on

}  // namespace pyoptim::PYOPTIM_ISA
