// The list of optimizers. To add one, write a file in this folder and a line here. Variants of one
// public name follow each other.
#pragma once

#include "rules/adabelief.hpp"
#include "rules/adabound.hpp"
#include "rules/adadelta.hpp"
#include "rules/adafactor.hpp"
#include "rules/adagrad.hpp"
#include "rules/adam.hpp"
#include "rules/adamax.hpp"
#include "rules/adan.hpp"
#include "rules/ademamix.hpp"
#include "rules/adopt.hpp"
#include "rules/asgd.hpp"
#include "rules/dadapt_adam.hpp"
#include "rules/diffgrad.hpp"
#include "rules/dog.hpp"
#include "rules/ftml.hpp"
#include "rules/ftrl.hpp"
#include "rules/lamb.hpp"
#include "rules/laprop.hpp"
#include "rules/lars.hpp"
#include "rules/lion.hpp"
#include "rules/madgrad.hpp"
#include "rules/nadam.hpp"
#include "rules/novograd.hpp"
#include "rules/padam.hpp"
#include "rules/prodigy.hpp"
#include "rules/qhadam.hpp"
#include "rules/radam.hpp"
#include "rules/rmsprop.hpp"
#include "rules/rowwise_adagrad.hpp"
#include "rules/rprop.hpp"
#include "rules/schedule_free.hpp"
#include "rules/sgd.hpp"
#include "rules/signum.hpp"
#include "rules/sm3.hpp"
#include "rules/sophia.hpp"
#include "rules/stable_adamw.hpp"
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
    Yogi,
    Adan,
    AdEMAMix,
    ADOPT,
    LaProp,
    QHAdam,
    AdaBound<false>, AdaBound<true>,
    DiffGrad,
    PAdam<0>, PAdam<1>, PAdam<2>, PAdam<3>,
    Tiger,
    FTML,
    MADGRAD<true>, MADGRAD<false>,
    FTRL,
    ScheduleFreeSGD,
    ScheduleFreeAdamW,
    Sophia,
    LAMB,
    LARS,
    NovoGrad,
    StableAdamW,
    Prodigy,
    DAdaptAdam,
    DoG,
    Adafactor,
    SM3<true>, SM3<false>,
    RowwiseAdagrad>;
// clang-format on

}  // namespace pyoptim::PYOPTIM_ISA
