// What an engine keeps for its parameters, as arrays.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <vector>

#include "engine/optimizer.hpp"

namespace pyoptim::bindings {

namespace py = pybind11;
using Shape = std::vector<py::ssize_t>;

/// The shape of what is kept for a parameter of shape `param`.
Shape shape_of(const StoredArray& stored, const Shape& param);

/// All that is kept for a parameter by name, as read-only views; then its step count and scalars.
py::dict state_views(Optimizer& engine, std::size_t index, const Shape& param);

/// The same to be written: numbers are arrays without axes, too, which keep `owner` alive.
py::dict writable_state(Optimizer& engine, std::size_t index, const Shape& param,
                        const py::object& owner);

/// Whether these are the values of dicts, one dict after the other: the same objects, which are not
/// touched.
bool same_values(const py::list& dicts, const py::tuple& values);

}  // namespace pyoptim::bindings
