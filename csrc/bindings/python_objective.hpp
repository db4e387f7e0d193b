// Python functions as objectives. The GIL is taken for each call only.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bindings/bindings.hpp"
#include "solvers/objective.hpp"

namespace pyoptim::bindings {

using Float64Array = py::array_t<double, py::array::c_style | py::array::forcecast>;

/// A new array of so many elements.
py::array float64_copy(const double* data, std::size_t size);

class PythonObjective final : public Objective {
 public:
  /// `jac` is None if fun returns a pair; `differences` is 0, or the points of finite differences.
  PythonObjective(std::size_t size, py::object fun, py::object jac, py::object hess,
                  py::object hessp, const py::tuple& args, int differences,
                  const std::optional<Float64Array>& low, const std::optional<Float64Array>& high);

  [[nodiscard]] std::size_t size() const override { return size_; }
  double value_and_grad(const double* x, double* grad) override;
  [[nodiscard]] bool has_hess_vec() const override { return !hessp_.is_none(); }
  void hess_vec(const double* x, const double* v, double* out) override;
  [[nodiscard]] bool has_hessian() const override { return !hess_.is_none(); }
  void hessian(const double* x, double* out) override;

 private:
  py::object call(const py::object& function, const double* x, const double* v = nullptr);
  double value_at(const double* x);
  void difference_grad(const double* x, double value, double* grad);
  /// A copy of x that the function may keep.
  py::array handed_out(const double* x);

  std::size_t size_;
  py::object fun_, jac_, hess_, hessp_;
  std::vector<py::object> args_;
  int differences_;
  std::vector<double> low_, high_;
  std::vector<double> shifted_;
  py::object last_;  // handed out before; reused if nobody kept it
};

}  // namespace pyoptim::bindings
