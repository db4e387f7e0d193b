// The states of parameters as arrays.
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

/// The shape of a stored array for a parameter of shape `param`.
Shape shape_of(const StoredArray& stored, const Shape& param);

/// The state of a parameter by name, as read-only views, followed by its step count and scalars.
py::dict state_views(Optimizer& engine, std::size_t index, const Shape& param);

/// The same as writable views. Numbers are arrays without axes, which keep `owner` alive.
py::dict writable_state(Optimizer& engine, std::size_t index, const Shape& param,
                        const py::object& owner);

/// A state from state_views(), completely checked, so that writing it cannot fail.
class LoadedState {
 public:
  /// Throws TypeError or ValueError unless the arrays have the dtypes and sizes of the states.
  LoadedState(const Optimizer& engine, std::size_t index, const py::dict& state);
  void write(Optimizer& engine, std::size_t index) const;

 private:
  std::vector<StoredArray> stored_;
  std::vector<py::array> arrays_;  // of the states
  std::int64_t steps_;
  double scalars_[max_scalars] = {};
};

/// Consistent copies of all states, in memory that was allocated before.
class StateCopies {
 public:
  StateCopies(const Optimizer& engine, const std::vector<Shape>& params);
  void capture(Optimizer& engine);
  /// The step count at that time, and the states by parameter.
  [[nodiscard]] std::pair<std::int64_t, std::vector<py::dict>> captured(
      const Optimizer& engine) const;

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

/// Whether a dict has exactly these `values` in order, and its inner dicts, one after the other,
/// exactly the values `inner`. Objects are compared by identity and not touched.
bool holds(const py::dict& dict, const py::tuple& values, const py::tuple& inner);

}  // namespace pyoptim::bindings
