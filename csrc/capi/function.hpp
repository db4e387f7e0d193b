// Schedules that are functions of the caller's.
#pragma once

#include "pyoptim/pyoptim.h"
#include "schedules/schedule.hpp"

namespace pyoptim::capi {

/// Throws FunctionError where the function fails. `release`, if not nullptr, is called with the
/// context in the end.
schedules::SchedulePointer schedule_of(pyoptim_function function, void* context,
                                       void (*release)(void* context));

}  // namespace pyoptim::capi
