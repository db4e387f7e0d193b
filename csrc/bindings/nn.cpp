#include "nn/layers.hpp"

#include <pybind11/native_enum.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>

#include "bindings/matrices.hpp"

namespace pyoptim::bindings {
namespace {

void forward(Activation activation, const py::array& z, const py::array& bias, const py::array& a,
             const std::optional<py::array>& skip, double rate, std::uint64_t seed,
             std::uint64_t draw) {
  const Matrix before = matrix(z, "z");
  const Matrix offsets = per_column(bias, "bias", before), out = alike(a, "a", z);
  const void* const added = skip ? alike(*skip, "skip", z, true).data : nullptr;
  if (!(rate >= 0 && rate < 1)) throw py::value_error("rate: expected a number in [0, 1)");
  const py::gil_scoped_release released;
  layer_forward(activation, before, offsets.data, out.data, added, {rate, seed, draw});
}

void backward(const py::array& d, const std::optional<py::array>& grad,
              const py::array& bias_grad) {
  const Matrix grads = matrix(d, "d");
  void* const by_z = grad ? alike(*grad, "grad", d).data : nullptr;
  const Matrix sums = per_column(bias_grad, "bias_grad", grads);
  const py::gil_scoped_release released;
  layer_backward(grads, by_z, sums.data);
}

void probabilities(const py::array& scores) {
  const Matrix rows = matrix(scores, "scores");
  if (rows.columns == 0) throw py::value_error("scores: expected at least one column");
  const py::gil_scoped_release released;
  softmax(rows);
}

}  // namespace

void bind_nn(py::module_& module) {
  py::native_enum<Activation>(module, "Activation", "enum.Enum")
      .value("identity", Activation::identity)
      .value("relu", Activation::relu)
      .value("leaky_relu", Activation::leaky_relu)
      .value("tanh", Activation::tanh)
      .value("sigmoid", Activation::sigmoid)
      .value("gelu", Activation::gelu)
      .value("silu", Activation::silu)
      .finalize();
  module.def(
      "layer_forward", &forward, py::arg("activation"), py::arg("z"), py::arg("bias"), py::arg("a"),
      py::arg("skip").none(true) = py::none(), py::arg("rate") = 0.0, py::arg("seed") = 0,
      py::arg("draw") = 0,
      "a = dropout(activation(z + bias)) + skip. If a is not z, z becomes the derivative of a\n"
      "by z. `rate` is the probability of dropout, which depends on seed and draw.");
  module.def("layer_backward", &backward, py::arg("d"), py::arg("grad").none(true),
             py::arg("bias_grad"),
             "grad *= d, bias_grad = its column sums. None for grad means 1.");
  module.def("softmax", &probabilities, py::arg("scores"),
             "Converts rows of scores to probabilities in place.");
}

}  // namespace pyoptim::bindings
