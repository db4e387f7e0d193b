#include "nn/norm.hpp"

#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/matrices.hpp"

namespace pyoptim::bindings {
namespace {

/// A writable float64 vector of the given size.
double* factors_of(const py::array& factors, std::size_t count) {
  const Matrix result = matrix(factors, "factors");
  if (result.rows * result.columns != count || result.dtype != DType::float64)
    throw py::value_error("factors: expected " + std::to_string(count) + " values of float64");
  return static_cast<double*>(result.data);
}

void normalize_rows(const py::array& z, const py::array& weight, const py::array& scaled,
                    const std::optional<py::array>& factors, double eps) {
  const Matrix rows = matrix(z, "z");
  const Matrix weights = per_column(weight, "weight", rows), out = alike(scaled, "scaled", z);
  double* const row_factors = factors ? factors_of(*factors, rows.rows) : nullptr;
  const py::gil_scoped_release released;
  layer_norm(rows, weights.data, out.data, row_factors, eps);
}

void normalize_columns(const py::array& z, const py::array& weight, const py::array& scaled,
                       const py::array& factors, double eps, const py::array& mean,
                       const py::array& variance, double momentum) {
  const Matrix rows = matrix(z, "z");
  if (rows.rows < 2) throw py::value_error("z: expected at least two rows");
  const Matrix weights = per_column(weight, "weight", rows), out = alike(scaled, "scaled", z);
  double* const row_factors = factors_of(factors, rows.columns);
  const RunningStatistics running{per_column(mean, "mean", rows).data,
                                  per_column(variance, "variance", rows).data, momentum};
  const py::gil_scoped_release released;
  batch_norm(rows, weights.data, out.data, row_factors, eps, running);
}

/// Binds layer_norm_backward or batch_norm_backward.
template <auto Backward, bool ByRows>
void backward(const py::array& d, const py::array& normal, const py::array& weight,
              const py::array& factors, const py::array& weight_grad) {
  const Matrix grads = matrix(d, "d");
  const Matrix values = alike(normal, "normal", d), weights = per_column(weight, "weight", grads);
  const double* const row_factors = factors_of(factors, ByRows ? grads.rows : grads.columns);
  const Matrix sums = per_column(weight_grad, "weight_grad", grads);
  const py::gil_scoped_release released;
  Backward(grads, values.data, weights.data, row_factors, sums.data);
}

template <auto Backward, bool ByRows>
void bind_backward(py::module_& module, const char* name) {
  module.def(name, &backward<Backward, ByRows>, py::arg("d"), py::arg("normal"), py::arg("weight"),
             py::arg("factors"), py::arg("weight_grad"),
             "Turns d, the gradient by scaled, into the gradient by the inputs of the norm.");
}

}  // namespace

void bind_nn_norm(py::module_& module) {
  module.def(
      "layer_norm", &normalize_rows, py::arg("z"), py::arg("weight"), py::arg("scaled"),
      py::arg("factors").none(true), py::arg("eps"),
      "z = (z - mean) / sqrt(variance + eps) for each row, scaled = weight * z, which may be z.\n"
      "factors = 1 / sqrt(variance + eps).");
  module.def("batch_norm", &normalize_columns, py::arg("z"), py::arg("weight"), py::arg("scaled"),
             py::arg("factors"), py::arg("eps"), py::arg("mean"), py::arg("variance"),
             py::arg("momentum"),
             "The same for each column; updates the running mean and variance.");
  bind_backward<layer_norm_backward, true>(module, "layer_norm_backward");
  bind_backward<batch_norm_backward, false>(module, "batch_norm_backward");
}

}  // namespace pyoptim::bindings
