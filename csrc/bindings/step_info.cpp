#include <cmath>
#include <string>

#include "bindings/bindings.hpp"
#include "core/text.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim::bindings {
namespace {

py::object grad_norm(const StepInfo& info) {
  return info.measured ? py::object(py::float_(info.grad_norm)) : py::none();
}

std::string text(const StepInfo& info) {
  return "StepInfo(step=" + std::to_string(info.step) +
         ", grad_norm=" + std::string(py::str(grad_norm(info))) +
         ", skipped=" + (info.skipped ? "True" : "False") + ")";
}

/// For pickling and comparison, where a NaN norm equals itself.
py::tuple fields(const StepInfo& info) {
  const bool number = info.measured && !std::isnan(info.grad_norm);
  return py::make_tuple(info.step, number ? grad_norm(info) : py::none(), info.skipped,
                        info.measured);
}

StepInfo from_fields(const py::tuple& state) {
  if (state.size() != 4) throw py::value_error("StepInfo: expected a state of 4 values");
  StepInfo info;
  info.step = state[0].cast<std::int64_t>();
  info.measured = state[3].cast<bool>();
  info.skipped = state[2].cast<bool>();
  if (info.measured) info.grad_norm = state[1].is_none() ? std::nan("") : state[1].cast<double>();
  return info;
}

}  // namespace

void bind_step_info(py::module_& module) {
  py::class_<StepInfo>(module, "StepInfo", "What a step did.")
      .def_readonly("step", &StepInfo::step, "Number of steps so far, including this one.")
      .def_property_readonly(
          "grad_norm", &grad_norm,
          "Euclidean norm of all gradients, after grad_scale and before clipping; None unless\n"
          "clip_norm or skip_nonfinite made it needed.")
      .def_readonly("skipped", &StepInfo::skipped,
                    "Whether a gradient was not finite, so that nothing was changed.")
      .def("__repr__", &text)
      .def("__hash__", [](const StepInfo& info) { return py::hash(fields(info)); })
      .def("__eq__",
           [](const StepInfo& info, const py::object& other) -> py::object {
             if (!py::isinstance<StepInfo>(other))
               return py::reinterpret_borrow<py::object>(Py_NotImplemented);
             return py::bool_(fields(info).equal(fields(other.cast<const StepInfo&>())));
           })
      .def(py::pickle(&fields, &from_fields));
}

}  // namespace pyoptim::bindings
