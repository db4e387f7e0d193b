#include "bindings/python_objective.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bindings/arrays.hpp"

namespace pyoptim::bindings {
namespace {

// Smaller arrays take less time to allocate than to check.
constexpr std::size_t reused_from = 4096;

double as_number(const py::object& result) {
  if (PyFloat_Check(result.ptr())) return PyFloat_AS_DOUBLE(result.ptr());
  py::object number = result;
  if (py::isinstance<py::array>(result)) {
    const auto array = py::reinterpret_borrow<py::array>(result);
    if (array.size() != 1)
      throw py::value_error("fun: expected a number, got an array of shape " + shape_text(array));
    number = array.attr("item")();
  }
  const double value = PyFloat_AsDouble(number.ptr());
  if (value == -1 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw py::type_error("fun: expected a number, got " + type_name(result));
  }
  return value;
}

/// Copies `size` numbers of an array-like that a function returned.
void copy_numbers(const py::object& result, std::size_t size, const char* name, double* out) {
  if (!py::isinstance<py::array>(result) || py::cast<py::array>(result).dtype().kind() != 'f') {
    const auto array = py::array::ensure(result);
    if (!array) {
      PyErr_Clear();
      throw py::type_error(std::string(name) + ": expected an array, got " + type_name(result));
    }
    const char kind = array.dtype().kind();
    if (kind != 'f' && kind != 'i' && kind != 'u' && kind != 'b')
      throw py::type_error(std::string(name) + ": expected real numbers, got dtype " +
                           dtype_text(array.dtype()));
  }
  const auto array = Float64Array::ensure(result);
  if (!array) throw py::error_already_set();
  if (std::size_t(array.size()) != size)
    throw py::value_error(std::string(name) + ": expected " + std::to_string(size) +
                          " elements, got shape " + shape_text(array));
  std::memcpy(out, array.data(), size * sizeof(double));
}

std::vector<double> values(const std::optional<Float64Array>& array) {
  if (!array) return {};
  return {array->data(), array->data() + array->size()};
}

}  // namespace

py::array float64_copy(const double* data, std::size_t size) {
  py::array_t<double> array{py::ssize_t(size)};
  std::memcpy(array.mutable_data(), data, size * sizeof(double));
  return array;
}

PythonObjective::PythonObjective(std::size_t size, py::object fun, py::object jac, py::object hess,
                                 py::object hessp, const py::tuple& args, int differences,
                                 const std::optional<Float64Array>& low,
                                 const std::optional<Float64Array>& high)
    : size_(size),
      fun_(std::move(fun)),
      jac_(std::move(jac)),
      hess_(std::move(hess)),
      hessp_(std::move(hessp)),
      differences_(differences),
      low_(values(low)),
      high_(values(high)),
      shifted_(differences != 0 ? size : 0) {
  for (const py::handle arg : args) args_.push_back(py::reinterpret_borrow<py::object>(arg));
  last_ = py::none();
}

py::array PythonObjective::handed_out(const double* x) {
  if (size_ < reused_from) return float64_copy(x, size_);
  bool reusable = !last_.is_none() && Py_REFCNT(last_.ptr()) == 1;
  if (reusable) {
    const auto array = py::reinterpret_borrow<py::array>(last_);
    reusable = array.writeable() && is_plain(array) && std::size_t(array.size()) == size_ &&
               array.ndim() == 1 && array.dtype().num() == py::dtype::of<double>().num();
  }
  if (!reusable) last_ = py::array_t<double>(py::ssize_t(size_));
  auto array = py::reinterpret_borrow<py::array>(last_);
  std::memcpy(array.mutable_data(), x, size_ * sizeof(double));
  return array;
}

py::object PythonObjective::call(const py::object& function, const double* x, const double* v) {
  std::vector<PyObject*> arguments(1, nullptr);  // room for a bound method's object
  const py::array array = handed_out(x);
  arguments.push_back(array.ptr());
  py::array direction;
  if (v != nullptr) {
    direction = float64_copy(v, size_);
    arguments.push_back(direction.ptr());
  }
  for (const py::object& arg : args_) arguments.push_back(arg.ptr());
  PyObject* const result =
      PyObject_Vectorcall(function.ptr(), arguments.data() + 1,
                          (arguments.size() - 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  if (result == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

double PythonObjective::value_at(const double* x) {
  ++counts.value;
  return as_number(call(fun_, x));
}

double PythonObjective::value_and_grad(const double* x, double* grad) {
  const py::gil_scoped_acquire acquired;
  if (differences_ != 0) {
    const double value = value_at(x);
    ++counts.grad;
    difference_grad(x, value, grad);
    return value;
  }
  if (!jac_.is_none()) {
    const double value = value_at(x);
    ++counts.grad;
    copy_numbers(call(jac_, x), size_, "jac", grad);
    return value;
  }
  ++counts.value;
  ++counts.grad;
  const py::object result = call(fun_, x);
  if (!PyTuple_Check(result.ptr()) && !PyList_Check(result.ptr()))
    throw py::type_error("fun: expected a pair of value and gradient with jac=True, got " +
                         type_name(result));
  const auto pair = py::reinterpret_borrow<py::sequence>(result);
  if (pair.size() != 2)
    throw py::value_error("fun: expected a pair of value and gradient with jac=True, got " +
                          std::to_string(pair.size()) + " items");
  const double value = as_number(pair[0]);
  copy_numbers(pair[1], size_, "jac", grad);
  return value;
}

void PythonObjective::difference_grad(const double* x, double value, double* grad) {
  const double relative =
      differences_ == 2 ? std::sqrt(2.220446049250313e-16) : std::cbrt(2.220446049250313e-16);
  std::copy_n(x, size_, shifted_.begin());
  const auto at = [&](std::size_t i, double step) {
    shifted_[i] = x[i] + step;
    const double result = value_at(shifted_.data());
    shifted_[i] = x[i];
    return result;
  };
  for (std::size_t i = 0; i < size_; ++i) {
    double step = relative * (x[i] < 0 ? -1 : 1) * std::max(1.0, std::fabs(x[i]));
    step = (x[i] + step) - x[i];  // the step that is made
    const double low = low_.empty() ? -std::numeric_limits<double>::infinity() : low_[i];
    const double high = high_.empty() ? std::numeric_limits<double>::infinity() : high_[i];
    const auto fits = [&](double s) { return x[i] + s >= low && x[i] + s <= high; };
    if (differences_ == 2) {
      // Where neither side has room for the step, the step is the larger room.
      if (!fits(step)) {
        if (fits(-step))
          step = -step;
        else
          step = high - x[i] >= x[i] - low ? high - x[i] : low - x[i];
      }
      grad[i] = step == 0 ? 0 : (at(i, step) - value) / step;
    } else if (fits(step) && fits(-step)) {
      grad[i] = (at(i, step) - at(i, -step)) / (2 * step);
    } else {
      if (!fits(2 * step)) {
        if (fits(-2 * step))
          step = -step;
        else
          step = (high - x[i] >= x[i] - low ? high - x[i] : low - x[i]) / 2;
      }
      grad[i] = step == 0 ? 0 : (4 * at(i, step) - 3 * value - at(i, 2 * step)) / (2 * step);
    }
  }
}

void PythonObjective::hess_vec(const double* x, const double* v, double* out) {
  const py::gil_scoped_acquire acquired;
  ++counts.hessian;
  copy_numbers(call(hessp_, x, v), size_, "hessp", out);
}

void PythonObjective::hessian(const double* x, double* out) {
  const py::gil_scoped_acquire acquired;
  ++counts.hessian;
  copy_numbers(call(hess_, x), size_ * size_, "hess", out);
}

}  // namespace pyoptim::bindings
