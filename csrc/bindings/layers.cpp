#include "layers/layers.hpp"

#include <pybind11/native_enum.h>

#include <string>

#include "bindings/matrices.hpp"

namespace pyoptim::bindings {
namespace {

/// A vector with one value a column.
Matrix per_column(const py::array& array, const std::string& name, const Matrix& like) {
  const Matrix made = matrix(array, name);
  if (made.rows * made.columns != like.columns || made.dtype != like.dtype)
    throw py::value_error(name + ": expected " + std::to_string(like.columns) +
                          " values of the scores' dtype");
  return made;
}

void forward(Activation activation, const py::array& z, const py::array& bias, const py::array& a) {
  const Matrix scores = matrix(z, "z");
  const Matrix offsets = per_column(bias, "bias", scores), out = alike(a, "a", z);
  const py::gil_scoped_release released;
  layer_forward(activation, scores, offsets.data, out.data);
}

void backward(Activation activation, const py::array& d, const py::array& z, const py::array& a,
              const py::array& bias_grad) {
  const Matrix slopes = matrix(d, "d");
  const Matrix before = alike(z, "z", d), after = alike(a, "a", d);
  const Matrix sums = per_column(bias_grad, "bias_grad", slopes);
  const py::gil_scoped_release released;
  layer_backward(activation, slopes, before.data, after.data, sums.data);
}

void probabilities(const py::array& scores) {
  const Matrix rows = matrix(scores, "scores");
  if (rows.columns == 0) throw py::value_error("scores: expected at least one column");
  const py::gil_scoped_release released;
  softmax(rows);
}

}  // namespace

void bind_layers(py::module_& module) {
  py::native_enum<Activation>(module, "Activation", "enum.Enum")
      .value("identity", Activation::identity)
      .value("relu", Activation::relu)
      .value("tanh", Activation::tanh)
      .value("sigmoid", Activation::sigmoid)
      .value("gelu", Activation::gelu)
      .finalize();
  module.def("layer_forward", &forward, py::arg("activation"), py::arg("z"), py::arg("bias"),
             py::arg("a"), "z += bias, then a = activation(z); a may be z.");
  module.def("layer_backward", &backward, py::arg("activation"), py::arg("d"), py::arg("z"),
             py::arg("a"), py::arg("bias_grad"),
             "d *= activation'(z), and its column sums to bias_grad.");
  module.def("softmax", &probabilities, py::arg("scores"),
             "Rows of scores become rows of probabilities, in place.");
}

}  // namespace pyoptim::bindings
