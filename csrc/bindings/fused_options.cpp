#include <pybind11/native_enum.h>

#include "bindings/bindings.hpp"
#include "bindings/state_dict.hpp"
#include "optim/fused_options.hpp"

namespace pyoptim::bindings {

void bind_fused_options(py::module_& module) {
  module.def("holds", &holds, py::arg("dict"), py::arg("values"), py::arg("inner"));

  py::native_enum<StateFormat>(module, "StateFormat", "enum.Enum")
      .value("full", StateFormat::full)
      .value("bfloat16", StateFormat::bfloat16)
      .value("float8", StateFormat::float8)
      .finalize();
  py::native_enum<Master>(module, "Master", "enum.Enum")
      .value("none", Master::none)
      .value("full", Master::full)
      .value("low_half", Master::low_half)
      .finalize();
  py::native_enum<Modifier>(module, "Modifier", "enum.Enum")
      .value("none", Modifier::none)
      .value("cautious", Modifier::cautious)
      .value("grams", Modifier::grams)
      .finalize();
}

}  // namespace pyoptim::bindings
