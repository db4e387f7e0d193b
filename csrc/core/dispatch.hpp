// Which instruction set the kernels run on.
#pragma once

#include <string_view>
#include <vector>

#include "core/backend.hpp"
#include "core/export.hpp"

namespace pyoptim {

/// The instruction sets this build has and this processor can run, best last.
PYOPTIM_API const std::vector<const Backend*>& available_backends();

/// The one in use: PYOPTIM_ISA if set, else the best. Throws std::runtime_error if PYOPTIM_ISA
/// names one that is not available.
PYOPTIM_API const Backend& active_backend();

/// Changes the one that optimizers and models made from now on use.
PYOPTIM_API void use_backend(std::string_view name);

}  // namespace pyoptim
