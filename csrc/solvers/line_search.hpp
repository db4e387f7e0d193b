// Searches for a step along a direction.
#pragma once

#include "solvers/method.hpp"

namespace pyoptim {

/// Searches along point.direction, from `first_step` on, for a step that options.line_search
/// accepts; `derivative` is that of the objective along the direction, below 0. On success the
/// trial is the point to accept and the step is returned. Otherwise returns 0.
double search_line(Point& point, double derivative, double first_step, LineSearch kind);

}  // namespace pyoptim
