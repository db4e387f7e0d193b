// What an engine keeps for its parameters, as arrays.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <cstdint>
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

/// A state as state_views() gives it, checked, so that nothing can fail where it is written.
class LoadedState {
 public:
  /// TypeError or ValueError unless the arrays have the states' dtype and size.
  LoadedState(const Optimizer& engine, std::size_t index, const py::dict& state);
  void write(Tensor& tensor) const;

 private:
  std::vector<StoredArray> stored_;
  std::vector<py::array> arrays_;  // of these
  std::int64_t steps_;
  double scalars_[max_scalars] = {};
};

/// Whether a dict holds these, in this order: `values`, and of those that are dicts, one after the
/// other, `inner`. They are to be the same objects, which are not touched.
bool holds(const py::dict& dict, const py::tuple& values, const py::tuple& inner);

}  // namespace pyoptim::bindings
