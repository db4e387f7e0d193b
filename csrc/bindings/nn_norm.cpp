#include "nn/norm.hpp"

#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/matrices.hpp"

namespace pyoptim::bindings {
namespace {

/// A writable vector of so many float64.
double* factors_of(const py::array& factors, std::size_t count) {
  const Matrix made = matrix(factors, "factors");
  if (made.rows * made.columns != count || made.dtype != DType::float64)
    throw py::value_error("factors: expected " + std::to_string(count) + " values of float64");
  return static_cast<double*>(made.data);
}

void normalize_rows(const py::array& z, const py::array& gain, const py::array& scaled,
                    const std::optional<py::array>& factors, double eps) {
  const Matrix rows = matrix(z, "z");
  const Matrix gains = per_column(gain, "gain", rows), out = alike(scaled, "scaled", z);
  double* const kept = factors ? factors_of(*factors, rows.rows) : nullptr;
  const py::gil_scoped_release released;
  layer_norm(rows, gains.data, out.data, kept, eps);
}

void normalize_columns(const py::array& z, const py::array& gain, const py::array& scaled,
                       const py::array& factors, double eps, const py::array& mean,
                       const py::array& variance, double momentum) {
  const Matrix rows = matrix(z, "z");
  if (rows.rows < 2) throw py::value_error("z: expected at least two rows");
  const Matrix gains = per_column(gain, "gain", rows), out = alike(scaled, "scaled", z);
  double* const kept = factors_of(factors, rows.columns);
  const RunningStatistics running{per_column(mean, "mean", rows).data,
                                  per_column(variance, "variance", rows).data, momentum};
  const py::gil_scoped_release released;
  batch_norm(rows, gains.data, out.data, kept, eps, running);
}

/// layer_norm_backward or batch_norm_backward.
template <auto Backward, bool ByRows>
void backward(const py::array& d, const py::array& normal, const py::array& gain,
              const py::array& factors, const py::array& gain_grad) {
  const Matrix slopes = matrix(d, "d");
  const Matrix values = alike(normal, "normal", d), gains = per_column(gain, "gain", slopes);
  const double* const kept = factors_of(factors, ByRows ? slopes.rows : slopes.columns);
  const Matrix sums = per_column(gain_grad, "gain_grad", slopes);
  const py::gil_scoped_release released;
  Backward(slopes, values.data, gains.data, kept, sums.data);
}

template <auto Backward, bool ByRows>
void bind_backward(py::module_& module, const char* name) {
  module.def(name, &backward<Backward, ByRows>, py::arg("d"), py::arg("normal"), py::arg("gain"),
             py::arg("factors"), py::arg("gain_grad"),
             "d, the slope by scaled, becomes that by what was normalised to `normal`.");
}

}  // namespace

void bind_norms(py::module_& module) {
  module.def(
      "layer_norm", &normalize_rows, py::arg("z"), py::arg("gain"), py::arg("scaled"),
      py::arg("factors").none(true), py::arg("eps"),
      "z = (z - mean) / sqrt(variance + eps) of each row, scaled = gain * z, which may be z;\n"
      "what was multiplied by goes to factors.");
  module.def("batch_norm", &normalize_columns, py::arg("z"), py::arg("gain"), py::arg("scaled"),
             py::arg("factors"), py::arg("eps"), py::arg("mean"), py::arg("variance"),
             py::arg("momentum"), "The same of each column; mean and variance go to running ones.");
  bind_backward<layer_norm_backward, true>(module, "layer_norm_backward");
  bind_backward<batch_norm_backward, false>(module, "batch_norm_backward");
}

}  // namespace pyoptim::bindings
