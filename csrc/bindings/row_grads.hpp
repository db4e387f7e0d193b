// Gradients of some rows of a parameter, as pyoptim.RowGrad brings them from Python.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bindings/bindings.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim::bindings {

/// Whether the object is a pyoptim.RowGrad.
bool is_row_grad(py::handle object);

/// Whether it is a pyoptim.row_grad.RowSlot, whose `grad` is the RowGrad of the moment.
bool is_row_slot(py::handle object);

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
  /// A pyoptim.RowGrad of the checked rows, as int64, and the values.
  [[nodiscard]] py::object object() const;

 private:
  std::vector<std::int64_t> rows_;  // from 0, below the number of the parameter's rows
  py::array values_;                // C-contiguous
};

/// What the engine reads of a step's gradients, and who keeps it.
struct Arrays {
  py::tuple given;  // our own: the caller's list may change while a step runs without the GIL
  std::vector<py::array> held;  // what is not the caller's own array
  std::vector<const void*> pointers;
  std::vector<std::pair<std::size_t, RowGrad>> by_rows;  // of these parameters

  /// All of them, those by rows too.
  [[nodiscard]] std::vector<Gradient> gradients() const;
  [[nodiscard]] std::size_t elements_of_rows() const;
};

}  // namespace pyoptim::bindings
