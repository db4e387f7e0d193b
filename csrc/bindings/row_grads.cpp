#include "bindings/row_grads.hpp"

#include <pybind11/gil_safe_call_once.h>

#include <cstdint>
#include <string_view>

#include "bindings/arrays.hpp"
#include "core/dispatch.hpp"
#include "rules/registry.hpp"

namespace pyoptim::bindings {
namespace {

/// "SGD, Adagrad, ...": the optimizers that support row-sparse gradients.
std::string supporting_rules() {
  std::string names;
  std::string_view before;
  for (const RuleInfo* const rule : all_rules(active_isa())) {
    if (!rule->supports_row_grad || rule->name == before) continue;
    names += (names.empty() ? "" : ", ") + std::string(rule->name);
    before = rule->name;
  }
  return names;
}

/// The row numbers as int64, from an array of any stride.
template <class T>
std::vector<std::int64_t> checked_rows(const py::array& numbers, py::ssize_t limit,
                                       const std::string& name) {
  const auto row = py::reinterpret_borrow<py::array_t<T>>(numbers).template unchecked<1>();
  std::vector<std::int64_t> rows(std::size_t(row.shape(0)));
  for (py::ssize_t i = 0; i < row.shape(0); ++i) {
    if (row(i) < 0 || std::uint64_t(row(i)) >= std::uint64_t(limit))
      throw py::index_error(name + ": expected numbers of the parameter's " +
                            std::to_string(limit) + " rows, counted from 0, got " +
                            std::to_string(row(i)) + " at position " + std::to_string(i));
    rows[std::size_t(i)] = std::int64_t(row(i));
  }
  return rows;
}

std::vector<std::int64_t> checked_rows(py::handle object, py::ssize_t limit,
                                       const std::string& name) {
  py::array numbers = as_array(object, name);
  const char kind = numbers.dtype().kind();
  if ((kind != 'i' && kind != 'u') || numbers.ndim() != 1)
    throw py::type_error(name + ": expected a 1-D array of integers, got " +
                         dtype_text(numbers.dtype()) + " of shape " + shape_text(numbers));
  const py::dtype wide =
      kind == 'i' ? py::dtype::of<std::int64_t>() : py::dtype::of<std::uint64_t>();
  constexpr int aligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (numbers.dtype().ptr() != wide.ptr() || (numbers.flags() & aligned) == 0)
    numbers = py::module_::import("numpy").attr("array")(numbers, wide, py::arg("subok") = false);
  // uint64, so that a number beyond int64 appears unchanged in the error message.
  return kind == 'i' ? checked_rows<std::int64_t>(numbers, limit, name)
                     : checked_rows<std::uint64_t>(numbers, limit, name);
}

/// Checks the shape: one row of values, shaped like a row of the parameter, for each row number.
void check_values(const py::array& values, py::ssize_t rows, const py::array& param,
                  const std::string& name) {
  bool fits = values.ndim() == param.ndim() && values.shape(0) == rows;
  for (py::ssize_t i = 1; fits && i < param.ndim(); ++i) fits = values.shape(i) == param.shape(i);
  if (fits) return;
  py::list shape(param.attr("shape"));
  shape[0] = rows;
  throw py::value_error(name + ": expected shape " + std::string(py::str(py::tuple(shape))) +
                        " for " + std::to_string(rows) + " rows of a parameter of shape " +
                        shape_text(param) + ", got " + shape_text(values));
}

}  // namespace

bool is_row_grad(py::handle object) {
  if (is_numpy_array(object)) return false;
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> type;
  type.call_once_and_store_result(
      [] { return py::module_::import("pyoptim.parameters._row_grad").attr("RowGrad"); });
  return py::isinstance(object, type.get_stored());
}

bool is_row_slot(py::handle object) {
  return py::isinstance(object,
                        py::module_::import("pyoptim.parameters._row_grad").attr("RowSlot"));
}

void refuse_row_grad(const std::string& name) {
  throw py::type_error(name +
                       ": expected an array of all elements, got a RowGrad, which only step() of "
                       "an optimizer itself takes: of " +
                       supporting_rules());
}

void refuse_row_grad(const std::string& name, const Optimizer& optimizer) {
  const std::string rule = optimizer.rule_name();
  if (optimizer.rule(0).supports_row_grad)
    throw py::type_error(name + ": " + rule +
                         " takes no RowGrad together with state_dtype, ema_decay, bfloat16_copy, "
                         "master_weights, modifier or zero_grads");
  throw py::type_error(name + ": " + rule + " takes no RowGrad; " + supporting_rules() + " do");
}

RowGrad::RowGrad(py::handle object, const py::array& param, const std::string& name) {
  if (param.ndim() == 0)
    throw py::type_error(name + ": expected an array, as a parameter of shape () has no rows, " +
                         "got a RowGrad");
  rows_ = checked_rows(object.attr("rows"), param.shape(0), name + ", rows");
  const std::string values_name = name + ", values";
  values_ = as_array(object.attr("values"), values_name);
  check_dtype(values_, param, values_name);
  check_values(values_, py::ssize_t(rows_.size()), param, values_name);
  if (!is_plain(values_)) values_ = plain_copy(values_);
}

Gradient RowGrad::gradient() const {
  static constexpr std::int64_t nothing = 0;  // no rows still are a row-sparse gradient
  return {values_.data(), rows_.empty() ? &nothing : rows_.data(), rows_.size()};
}

py::object RowGrad::object() const {
  const py::array_t<std::int64_t> rows(py::ssize_t(rows_.size()), rows_.data());
  return py::module_::import("pyoptim.parameters._row_grad").attr("RowGrad")(rows, values_);
}

std::vector<Gradient> Arrays::gradients() const {
  std::vector<Gradient> all;
  for (const void* values : pointers) all.push_back({values});
  for (const auto& [index, grad] : by_rows) all[index] = grad.gradient();
  return all;
}

std::size_t Arrays::elements_of_rows() const {
  std::size_t elements = 0;
  for (const auto& [index, grad] : by_rows) elements += std::size_t(grad.values().size());
  return elements;
}

}  // namespace pyoptim::bindings
