#include "layers/layers.hpp"

#include <pybind11/native_enum.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/arrays.hpp"
#include "engine/dispatch.hpp"

namespace pyoptim::bindings {
namespace {

/// A C-contiguous float32 or float64 array as rows of its last axis; one axis is one column a row.
Matrix matrix(const py::array& array, const std::string& name) {
  const DType dtype = dtype_of(array, name);
  if (dtype == DType::bfloat16) throw py::type_error(name + ": dtype must be float32 or float64");
  check_updatable(array, name);
  const std::size_t columns = array.ndim() == 2 ? std::size_t(array.shape(1)) : 1;
  if (array.ndim() < 1 || array.ndim() > 2)
    throw py::value_error(name + ": expected 1 or 2 axes, got " + std::to_string(array.ndim()));
  return {const_cast<void*>(array.data()), std::size_t(array.shape(0)), columns, dtype};
}

/// Another array of the same kind and shape.
Matrix alike(const py::array& array, const std::string& name, const py::array& like) {
  check_shape(array, like, name);
  const Matrix made = matrix(array, name);
  if (dtype_of(like, name) != made.dtype) throw py::type_error(name + ": wrong dtype");
  return made;
}

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

double penalty(const py::array& param, const py::array& grad, double l1, double l2) {
  const Matrix weights = matrix(param, "param"), slope = alike(grad, "grad", param);
  const py::gil_scoped_release released;
  return add_penalty(weights, slope.data, l1, l2);
}

void probabilities(const py::array& scores) {
  const Matrix rows = matrix(scores, "scores");
  if (rows.columns == 0) throw py::value_error("scores: expected at least one column");
  const py::gil_scoped_release released;
  softmax(rows);
}

double loss(const std::string& name, const py::array& scores, const py::array& targets,
            const std::optional<py::array>& slope) {
  const LossInfo* const info = find_loss(name);
  if (info == nullptr) throw py::value_error("there is no loss '" + name + "'");
  const Matrix rows = matrix(scores, "scores");
  void* const out = slope ? alike(*slope, "slope", scores).data : nullptr;
  if (rows.rows * rows.columns == 0) throw py::value_error("scores: expected at least one");
  if (info->labels) {
    if (!py::isinstance<py::array_t<std::int64_t>>(targets) || targets.ndim() != 1 ||
        std::size_t(targets.shape(0)) != rows.rows || !is_plain(targets))
      throw py::value_error("targets: expected " + std::to_string(rows.rows) +
                            " contiguous int64 labels");
    const auto* const label = static_cast<const std::int64_t*>(targets.data());
    for (std::size_t i = 0; i < rows.rows; ++i)
      if (label[i] < 0 || label[i] >= std::int64_t(rows.columns))
        throw py::value_error("targets: expected labels from 0 to " +
                              std::to_string(rows.columns - 1) + ", got " +
                              std::to_string(label[i]) + " at row " + std::to_string(i));
  } else {
    check_shape(targets, scores, "targets");
    if (dtype_of(targets, "targets") != rows.dtype || !is_plain(targets))
      throw py::type_error("targets: expected a contiguous array of the scores' dtype");
  }
  const void* const target = targets.data();
  const py::gil_scoped_release released;
  return mean_loss(*info, rows, target, out);
}

py::list losses() {
  py::list all;
  const LossTable& table = *active_backend().losses;
  for (std::size_t i = 0; i < table.size; ++i)
    all.append(py::make_tuple(table.item[i].name, table.item[i].doc, table.item[i].labels));
  return all;
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
  module.def("add_penalty", &penalty, py::arg("param"), py::arg("grad"), py::arg("l1"),
             py::arg("l2"), "Returns sum(l1 |w| + l2/2 w^2) and adds its slope to grad.");
  module.def("softmax", &probabilities, py::arg("scores"),
             "Rows of scores become rows of probabilities, in place.");
  module.def("losses", &losses, "Name, text and kind of targets of every loss.");
  module.def("mean_loss", &loss, py::arg("loss"), py::arg("scores"), py::arg("targets"),
             py::arg("slope").none(true),
             "The mean loss; its slope by the scores goes to `slope`, which may be `scores`.");
}

}  // namespace pyoptim::bindings
