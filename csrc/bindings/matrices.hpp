// Arrays of float32 or float64 as matrices, for layers and losses.
#pragma once

#include <string>

#include "bindings/arrays.hpp"
#include "layers/layers.hpp"

namespace pyoptim::bindings {

/// The rows of an array of one or two axes; one axis is one column a row. It is writable unless
/// it is only to be read.
Matrix matrix(const py::array& array, const std::string& name, bool only_read = false);

/// A writable array of the same dtype and shape as `like`.
Matrix alike(const py::array& array, const std::string& name, const py::array& like);

}  // namespace pyoptim::bindings
