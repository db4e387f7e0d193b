// The list of schedules. To add one, write a file in this folder and a line here.
#pragma once

#include "schedules/chain.hpp"
#include "schedules/constant.hpp"
#include "schedules/cosine.hpp"
#include "schedules/cosine_restarts.hpp"
#include "schedules/cycle_momentum.hpp"
#include "schedules/cyclic.hpp"
#include "schedules/exponential.hpp"
#include "schedules/geometric_restarts.hpp"
#include "schedules/inverse_time.hpp"
#include "schedules/linear.hpp"
#include "schedules/multi_step.hpp"
#include "schedules/one_cycle.hpp"
#include "schedules/piecewise_constant.hpp"
#include "schedules/piecewise_interpolate.hpp"
#include "schedules/polynomial.hpp"
#include "schedules/sequence.hpp"
#include "schedules/step.hpp"
#include "schedules/warmup.hpp"
#include "schedules/warmup_stable_decay.hpp"

namespace pyoptim::schedules {

template <class... S>
struct ScheduleList {};

// clang-format off
using AllSchedules = ScheduleList<
    Constant,
    Linear,
    Cosine,
    Polynomial,
    Step,
    MultiStep,
    Exponential,
    InverseTime,
    PiecewiseConstant,
    PiecewiseInterpolate,
    CosineRestarts,
    GeometricRestarts,
    OneCycle,
    Cyclic,
    CycleMomentum,
    Warmup,
    WarmupStableDecay,
    Sequence,
    Chain>;
// clang-format on

}  // namespace pyoptim::schedules
