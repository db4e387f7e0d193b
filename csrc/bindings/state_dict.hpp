// What an engine keeps for its parameters, as arrays.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "optim/optimizer.hpp"

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
  void write(Optimizer& engine, std::size_t index) const;

 private:
  std::vector<StoredArray> stored_;
  std::vector<py::array> arrays_;  // of these
  std::int64_t steps_;
  double scalars_[max_scalars] = {};
};

/// Copies of all states, made at one moment into memory that was there before.
class StateCopies {
 public:
  StateCopies(const Optimizer& engine, const std::vector<Shape>& params);
  void take(Optimizer& engine);
  /// The steps made until then, and the states by parameter.
  [[nodiscard]] std::pair<std::int64_t, std::vector<py::dict>> taken(const Optimizer& engine) const;

 private:
  struct Copy {
    void* to;
    const void* from;
    std::size_t bytes;
  };
  std::vector<py::dict> states_;
  std::vector<Copy> copies_;
  std::vector<Tensor> tensors_;
  std::int64_t steps_ = 0;
};

/// Whether a dict holds these, in this order: `values`, and of those that are dicts, one after the
/// other, `inner`. They are to be the same objects, which are not touched.
bool holds(const py::dict& dict, const py::tuple& values, const py::tuple& inner);

}  // namespace pyoptim::bindings
