// Gradients of some rows of a parameter, as pyoptim.RowGrad brings them from Python.
#pragma once

#include <pybind11/numpy.h>

#include <string>

#include "bindings/bindings.hpp"
#include "engine/optimizer.hpp"

namespace pyoptim::bindings {

/// Whether the object is a pyoptim.RowGrad.
bool is_row_grad(py::handle object);

/// TypeError, as only steps of some optimizers take one: for what is none of them, or for this.
[[noreturn]] void refuse_row_grad(const std::string& name);
[[noreturn]] void refuse_row_grad(const std::string& name, const Optimizer& optimizer);

/// A pyoptim.RowGrad as the engine reads it. Row numbers are a checked copy: nobody changes it
/// while a step runs without the GIL.
class RowGrad {
 public:
  /// TypeError, ValueError or IndexError unless it fits the parameter. `name` is the gradient's.
  RowGrad(py::handle object, const py::array& param, const std::string& name);

  [[nodiscard]] const py::array& values() const { return values_; }
  [[nodiscard]] Gradient gradient() const;

 private:
  py::array rows_;    // int64 or uint64, below the number of rows
  py::array values_;  // C-contiguous
};

}  // namespace pyoptim::bindings
