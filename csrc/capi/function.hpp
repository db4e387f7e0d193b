// Schedules that are C functions.
#pragma once

#include "pyoptim/pyoptim.h"
#include "schedules/schedule.hpp"

namespace pyoptim::capi {

/// Throws FunctionError if the function fails. `release`, if not nullptr, is called with the
/// context at the end.
schedules::SchedulePointer schedule_of(pyoptim_function function, void* context,
                                       void (*release)(void* context));

}  // namespace pyoptim::capi
