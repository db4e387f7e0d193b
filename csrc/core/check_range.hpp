// Ranges in error messages.
#pragma once

#include <string>

#include "core/export.hpp"
#include "core/range.hpp"

namespace pyoptim {

/// The range in words: "in [0, 1)", "above 0 and finite", "True or False".
PYOPTIM_API std::string describe(const Range& range);

/// Throws std::invalid_argument unless `value` is in `range`. The message starts with `name`.
PYOPTIM_API void check_range(const std::string& name, const Range& range, double value);

}  // namespace pyoptim
