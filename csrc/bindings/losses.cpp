#include "losses/mean_loss.hpp"

#include <pybind11/native_enum.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "bindings/loss_arguments.hpp"
#include "bindings/matrices.hpp"
#include "core/check_range.hpp"
#include "core/dispatch.hpp"

namespace pyoptim::bindings {
namespace {

/// Targets with the shape of the scores, so that they belong to each other without doubt.
const void* per_score(const py::array& targets, const py::array& scores, DType dtype) {
  check_shape(targets, scores, "targets");
  if (dtype_of(targets, "targets") != dtype || !is_plain(targets))
    throw py::type_error("targets: expected a contiguous array of the scores' dtype");
  return targets.data();
}

double loss(const std::string& name, const std::vector<double>& parameters, const py::array& scores,
            const py::array& targets, const std::optional<py::array>& weights,
            const std::optional<py::array>& grad, const std::optional<py::array>& hessian) {
  LossCall call{.loss = &loss_of(name), .parameters = parameters.data(), .scores = {}};
  check_parameters(*call.loss, parameters);
  call.scores = matrix(scores, "scores", true);
  const std::size_t rows = call.scores.rows;
  if (rows * call.scores.columns == 0) throw py::value_error("scores: expected at least one");
  if (call.loss->of_rows && targets.ndim() == 1)
    call.labels = per_row<std::int64_t>(targets, "targets", "int64 labels", rows);
  else
    call.targets = per_score(targets, scores, call.scores.dtype);
  if (weights) call.weights = per_row<double>(*weights, "sample_weight", "float64 weights", rows);
  if (grad) call.grad = alike(*grad, "grad", scores).data;
  if (hessian) call.hessian = alike(*hessian, "hessian", scores).data;
  if (hessian && !grad)
    throw py::value_error("hessian: expected grad as well, got None; pass an array for grad");
  const py::gil_scoped_release released;
  return mean_loss(call);
}

/// Checks weights and targets before the scores exist, which will have so many columns. Messages
/// number rows from `first`.
void check_targets(const std::string& name, const py::array& targets,
                   const std::optional<py::array>& weights, std::size_t columns,
                   std::size_t first) {
  LossCall call{.loss = &loss_of(name), .parameters = nullptr, .scores = {}};
  const std::size_t rows = targets.ndim() == 0 ? 0 : std::size_t(targets.shape(0));
  const bool labels = call.loss->of_rows && targets.ndim() == 1;
  const DType dtype = labels ? DType::float64 : dtype_of(targets, "targets");
  call.scores = {nullptr, rows, columns, dtype};
  if (labels) {
    call.labels = per_row<std::int64_t>(targets, "targets", "int64 labels", rows);
  } else {
    const std::size_t index =
        targets.ndim() == 2 ? std::size_t(targets.shape(1)) : std::size_t(targets.ndim() == 1);
    if (index != columns || dtype == DType::bfloat16 || !is_plain(targets))
      throw py::value_error("targets: expected " + std::to_string(columns) +
                            (columns == 1 ? " value" : " values") + " a row, got shape " +
                            shape_text(targets));
    call.targets = targets.data();
  }
  if (weights) call.weights = per_row<double>(*weights, "sample_weight", "float64 weights", rows);
  std::string problem;
  {
    const py::gil_scoped_release released;
    problem = find_problem(call, first);
  }
  if (!problem.empty()) throw py::value_error(problem);
}

void check(const std::string& name, const std::vector<double>& parameters) {
  check_parameters(loss_of(name), parameters);
}

py::list losses() {
  py::list all;
  const LossTable& table = loss_table.current();
  for (std::size_t i = 0; i < table.size; ++i) {
    const LossInfo& info = table.item[i];
    py::dict entry;
    entry["name"] = info.name;
    entry["doc"] = info.doc;
    entry["fields"] = field_list(info.fields, info.field_count);
    entry["link"] = info.link;
    entry["of_rows"] = info.of_rows;
    entry["targets"] = info.targets.flag ? "0 or 1" : describe(info.targets);
    all.append(entry);
  }
  return all;
}

}  // namespace

void bind_losses(py::module_& module) {
  py::native_enum<Link>(module, "Link", "enum.Enum")
      .value("identity", Link::identity)
      .value("exponential", Link::exponential)
      .value("sign", Link::sign)
      .value("logistic", Link::logistic)
      .value("softmax", Link::softmax)
      .finalize();
  module.def("losses", &losses, "Returns the losses as plain dicts.");
  module.def("check_loss", &check, py::arg("loss"), py::arg("parameters"),
             "Raises ValueError if a parameter is out of range.");
  module.def("check_targets", &check_targets, py::arg("loss"), py::arg("targets"),
             py::arg("weights").none(true), py::arg("columns"), py::arg("first"),
             "Raises ValueError if a weight or a target is out of range, for scores of so many\n"
             "columns. Messages number rows from `first`. Rows of weight 0 are not checked.");
  module.def(
      "mean_loss", &loss, py::arg("loss"), py::arg("parameters"), py::arg("scores"),
      py::arg("targets"), py::arg("weights").none(true), py::arg("grad").none(true),
      py::arg("hessian").none(true),
      "Returns the weighted mean of a loss, and writes its derivatives by the scores to `grad`,\n"
      "which may be `scores`, and `hessian`.");
}

}  // namespace pyoptim::bindings
