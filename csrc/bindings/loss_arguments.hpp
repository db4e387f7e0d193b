// Losses by name, and the labels and weights of rows.
#pragma once

#include <cstddef>
#include <string>

#include "bindings/arrays.hpp"
#include "losses/mean_loss.hpp"

namespace pyoptim::bindings {

/// The loss of this name. Throws ValueError if there is none.
inline const LossInfo& loss_of(const std::string& name) {
  const LossInfo* const info = find_loss(name);
  if (info == nullptr) throw py::value_error("there is no loss '" + name + "'");
  return *info;
}

/// A contiguous array with one number for each row.
template <class Number>
const Number* per_row(const py::array& array, const char* name, const char* kind,
                      std::size_t rows) {
  if (!py::isinstance<py::array_t<Number>>(array) || array.ndim() != 1 ||
      std::size_t(array.shape(0)) != rows || !is_plain(array))
    throw py::value_error(std::string(name) + ": expected " + std::to_string(rows) +
                          " contiguous " + kind + ", got shape " + shape_text(array) + " of " +
                          dtype_text(array.dtype()));
  return static_cast<const Number*>(array.data());
}

}  // namespace pyoptim::bindings
