#include <pybind11/native_enum.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/loss_arguments.hpp"
#include "bindings/matrices.hpp"
#include "nn/network.hpp"

namespace pyoptim::bindings {
namespace {

using OptionalArray = std::optional<py::array>;

/// A layer, and the arrays that own its memory.
struct LayerArrays {
  DenseLayer layer;
  DType dtype;
  std::vector<py::array> arrays;
};

/// A weight or its gradient, which may be bfloat16.
Matrix weight_matrix(const py::array& array, const std::string& name) {
  check_updatable(array, name);
  if (array.ndim() != 2)
    throw py::value_error(name + ": expected 2 axes, got " + std::to_string(array.ndim()));
  return {const_cast<void*>(array.data()), std::size_t(array.shape(0)), std::size_t(array.shape(1)),
          dtype_of(array, name)};
}

LayerArrays make_layer(Activation activation, const py::array& weight, const py::array& weight_grad,
                       const py::array& bias, const py::array& bias_grad, Norm norm,
                       const OptionalArray& norm_weight, const OptionalArray& norm_weight_grad,
                       const OptionalArray& running_mean, const OptionalArray& running_var,
                       double dropout, bool residual) {
  LayerArrays arrays{{}, dtype_of(bias, "bias"), {weight, weight_grad, bias, bias_grad}};
  DenseLayer& layer = arrays.layer;
  layer = {.activation = activation, .norm = norm, .dropout = dropout, .residual = residual};
  layer.weight = weight_matrix(weight, "weight");
  check_shape(weight_grad, weight, "weight_grad");
  check_dtype(weight_grad, weight, "weight_grad");
  layer.weight_grad = weight_matrix(weight_grad, "weight_grad").data;
  const bool narrow = layer.weight.dtype == DType::bfloat16;
  if (narrow ? arrays.dtype != DType::float32 : arrays.dtype != layer.weight.dtype)
    throw py::type_error("bias: expected the dtype of the weight, or float32 beside bfloat16");
  const Matrix like{nullptr, 0, layer.weight.columns, arrays.dtype};
  const auto vector = [&](const OptionalArray& array, const char* name) {
    if (!array) throw py::value_error(std::string(name) + ": expected an array, got None");
    arrays.arrays.push_back(*array);
    return per_column(*array, name, like).data;
  };
  layer.bias = vector(bias, "bias");
  layer.bias_grad = vector(bias_grad, "bias_grad");
  if (norm == Norm::none) return arrays;
  layer.norm_weight = vector(norm_weight, "norm_weight");
  layer.norm_weight_grad = vector(norm_weight_grad, "norm_weight_grad");
  if (norm == Norm::layer) return arrays;
  layer.running_mean = vector(running_mean, "running_mean");
  layer.running_variance = vector(running_var, "running_var");
  return arrays;
}

/// A network, and the arrays that own its memory.
class BoundNetwork {
 public:
  explicit BoundNetwork(std::vector<LayerArrays> layers)
      : layers_(std::move(layers)), network_(specifications(layers_), dtype(layers_)) {}

  /// Whether loss_and_grad() can use a batch without conversion: plain arrays of the right dtypes
  /// and shapes.
  [[nodiscard]] bool takes(const py::object& x, const py::object& targets, bool labels) const {
    if (!is_numpy_array(x) || !is_numpy_array(targets)) return false;
    const auto rows = py::reinterpret_borrow<py::array>(x);
    const auto target_array = py::reinterpret_borrow<py::array>(targets);
    if (rows.ndim() != 2 || std::size_t(rows.shape(1)) != network_.inputs() || !is_plain(rows) ||
        !is_of(rows, network_.dtype()) || !is_plain(target_array) || target_array.ndim() < 1 ||
        target_array.shape(0) != rows.shape(0))
      return false;
    if (labels && target_array.ndim() == 1)
      return py::isinstance<py::array_t<std::int64_t>>(target_array);
    const bool fits =
        target_array.ndim() == 1
            ? network_.outputs() == 1
            : target_array.ndim() == 2 && std::size_t(target_array.shape(1)) == network_.outputs();
    return fits && is_of(target_array, network_.dtype());
  }

  double loss_and_grad(const py::object& x, const py::array& targets, const OptionalArray& weights,
                       const std::string& loss, const std::vector<double>& parameters,
                       std::uint64_t seed, std::uint64_t draw, bool to_inputs) {
    const Inputs rows = inputs(x);
    const std::size_t count = std::visit([](const auto& matrix) { return matrix.rows; }, rows);
    LossCall call{.loss = &loss_of(loss), .parameters = parameters.data(), .scores = {}};
    check_parameters(*call.loss, parameters);
    set_targets(call, targets, count);
    if (weights)
      call.weights = per_row<double>(*weights, "sample_weight", "float64 weights", count);
    void* input_grad = nullptr;
    if (to_inputs) {
      if (!is_dense(x)) throw py::type_error("x: expected an array to write its gradient to");
      input_grad = matrix(py::reinterpret_borrow<py::array>(x), "x").data;
    }
    const py::gil_scoped_release released;
    return network_.loss_and_grad(rows, call, {seed, draw}, input_grad);
  }

  void scores(const py::object& x, const py::array& out) const {
    const Inputs rows = inputs(x);
    const Matrix into = matrix(out, "out");
    const std::size_t count = std::visit([](const auto& matrix) { return matrix.rows; }, rows);
    if (into.rows != count || into.columns != network_.outputs() || into.dtype != network_.dtype())
      throw py::value_error("out: expected shape " + shape(count, network_.outputs()) +
                            " and the dtype of the network, got shape " + shape_text(out) + " of " +
                            dtype_text(out.dtype()));
    const py::gil_scoped_release released;
    network_.scores(rows, into.data);
  }

  void estimate_statistics(const py::object& x, double momentum) {
    const Inputs rows = inputs(x);
    const py::gil_scoped_release released;
    network_.estimate_statistics(rows, momentum);
  }

 private:
  static std::vector<DenseLayer> specifications(const std::vector<LayerArrays>& layers) {
    std::vector<DenseLayer> all;
    for (const LayerArrays& each : layers) all.push_back(each.layer);
    return all;
  }
  static DType dtype(const std::vector<LayerArrays>& layers) {
    if (layers.empty()) throw py::value_error("layers: expected at least one, got none");
    for (const LayerArrays& each : layers)
      if (each.dtype != layers[0].dtype) throw py::type_error("layers: expected one dtype");
    return layers[0].dtype;
  }
  static bool is_of(const py::array& array, DType dtype) {
    const py::dtype array_dtype = array.dtype();
    return array_dtype.num() == numpy_dtype(dtype).num() && is_native(array_dtype);
  }
  static bool is_dense(const py::object& x) { return py::isinstance<py::array>(x); }
  static std::string shape(std::size_t rows, std::size_t columns) {
    return "(" + std::to_string(rows) + ", " + std::to_string(columns) + ")";
  }

  [[nodiscard]] Inputs inputs(const py::object& x) const {
    if (!is_dense(x)) {
      const auto [data, indices, indptr] = x.cast<std::tuple<py::array, py::array, py::array>>();
      const CsrMatrix rows = csr_matrix(data, indices, indptr, network_.inputs());
      if (rows.dtype != network_.dtype()) throw py::type_error("x: expected the network's dtype");
      return rows;
    }
    const auto array = py::reinterpret_borrow<py::array>(x);
    const Matrix rows = matrix(array, "x", true);
    if (array.ndim() != 2 || rows.columns != network_.inputs() || rows.dtype != network_.dtype())
      throw py::value_error("x: expected shape (rows, " + std::to_string(network_.inputs()) +
                            ") and the dtype of the network, got shape " + shape_text(array) +
                            " of " + dtype_text(array.dtype()));
    return StridedMatrix{rows.data, rows.rows, rows.columns, std::ptrdiff_t(rows.columns), 1};
  }

  void set_targets(LossCall& call, const py::array& targets, std::size_t rows) const {
    if (call.loss->of_rows && targets.ndim() == 1) {
      call.labels = per_row<std::int64_t>(targets, "targets", "int64 labels", rows);
      return;
    }
    const std::size_t outputs = network_.outputs();
    const bool column = targets.ndim() == 1 && outputs == 1;
    if ((!column && targets.ndim() != 2) || std::size_t(targets.shape(0)) != rows ||
        (!column && std::size_t(targets.shape(1)) != outputs))
      throw py::value_error("targets: expected shape " + shape(rows, outputs) + ", got " +
                            shape_text(targets));
    if (dtype_of(targets, "targets") != network_.dtype() || !is_plain(targets))
      throw py::type_error("targets: expected a contiguous array of the scores' dtype");
    call.targets = targets.data();
  }

  std::vector<LayerArrays> layers_;
  Network network_;
};

}  // namespace

void bind_nn_network(py::module_& module) {
  py::native_enum<Norm>(module, "Norm", "enum.Enum")
      .value("none", Norm::none)
      .value("layer", Norm::layer)
      .value("batch", Norm::batch)
      .finalize();
  py::class_<LayerArrays>(module, "DenseLayer",
                          "dropout(activation(norm(x @ weight) + bias)), plus x if residual.")
      .def(py::init(&make_layer), py::arg("activation"), py::arg("weight"), py::arg("weight_grad"),
           py::arg("bias"), py::arg("bias_grad"), py::arg("norm") = Norm::none,
           py::arg("norm_weight").none(true) = py::none(),
           py::arg("norm_weight_grad").none(true) = py::none(),
           py::arg("running_mean").none(true) = py::none(),
           py::arg("running_var").none(true) = py::none(), py::arg("dropout") = 0.0,
           py::arg("residual") = false);
  py::class_<BoundNetwork>(module, "Network", "A sequence of dense layers.")
      .def(py::init<std::vector<LayerArrays>>(), py::arg("layers"))
      .def("takes", &BoundNetwork::takes, py::arg("x"), py::arg("targets"), py::arg("labels"),
           "Return whether loss_and_grad accepts a batch without a conversion.")
      .def("loss_and_grad", &BoundNetwork::loss_and_grad, py::arg("x"), py::arg("targets"),
           py::arg("weights").none(true), py::arg("loss"), py::arg("parameters"),
           py::arg("seed") = 0, py::arg("draw") = 0, py::arg("to_inputs") = false,
           "Return the mean loss of a batch and write its gradient to the layers' gradients and,\n"
           "if `to_inputs`, over x. A tuple (data, indices, indptr) is a matrix in compressed\n"
           "rows.")
      .def("scores", &BoundNetwork::scores, py::arg("x"), py::arg("out"),
           "Write the outputs in evaluation to `out`.")
      .def("estimate_statistics", &BoundNetwork::estimate_statistics, py::arg("x"),
           py::arg("momentum"),
           "Move the running statistics of batch norm towards those of a batch.");
}

}  // namespace pyoptim::bindings
