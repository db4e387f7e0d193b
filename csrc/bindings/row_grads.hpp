// Row-sparse gradients from Python (pyoptim.RowGrad).
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

/// Whether the object is a RowSlot, whose `grad` is the current RowGrad.
bool is_row_slot(py::handle object);

/// Throws TypeError, because only step() of some optimizers accepts a RowGrad. With `optimizer`,
/// the message is about that optimizer.
[[noreturn]] void refuse_row_grad(const std::string& name);
[[noreturn]] void refuse_row_grad(const std::string& name, const Optimizer& optimizer);

/// A RowGrad for the engine. Row numbers are a checked copy, which nobody can change while a step
/// runs without the GIL.
class RowGrad {
 public:
  /// Throws TypeError, ValueError or IndexError unless it fits the parameter. `name` is the name of
  /// the gradient in messages.
  RowGrad(py::handle object, const py::array& param, const std::string& name);

  [[nodiscard]] const py::array& values() const { return values_; }
  [[nodiscard]] Gradient gradient() const;
  /// A pyoptim.RowGrad with the checked rows, as int64, and the values.
  [[nodiscard]] py::object object() const;

 private:
  std::vector<std::int64_t> rows_;  // from 0, below the number of the parameter's rows
  py::array values_;                // C-contiguous
};

/// The gradients of a step for the engine, and the objects that keep them alive.
struct Arrays {
  py::tuple
      sequence;  // our own, because the caller may change a list while a step runs without the GIL
  std::vector<py::array> held;  // copies of arrays
  std::vector<const void*> pointers;
  std::vector<std::pair<std::size_t, RowGrad>> by_rows;  // by parameter

  /// All gradients, including row-sparse ones.
  [[nodiscard]] std::vector<Gradient> gradients() const;
  [[nodiscard]] std::size_t elements_of_rows() const;
};

}  // namespace pyoptim::bindings
