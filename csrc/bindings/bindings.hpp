// The pybind11 bindings. Each file binds one topic and only checks arguments.
#pragma once

#include <pybind11/pybind11.h>

#include "core/fields.hpp"

namespace pyoptim::bindings {

namespace py = pybind11;

/// A tuple for each field: name, default, range, whether it is a flag, documentation.
py::tuple field_list(const FieldInfo* fields, std::size_t count);

void bind_xxh64(py::module_& module);
void bind_config(py::module_& module);
void bind_fused_options(py::module_& module);
void bind_embedding(py::module_& module);
void bind_nn(py::module_& module);
void bind_losses(py::module_& module);
void bind_memory(py::module_& module);
void bind_nn_network(py::module_& module);
void bind_nn_norm(py::module_& module);
void bind_optimizer(py::module_& module);
void bind_gemm(py::module_& module);
void bind_rules(py::module_& module);
void bind_linear(py::module_& module);
void bind_solvers(py::module_& module);
void bind_spmm(py::module_& module);
void bind_step_info(py::module_& module);
void bind_gather(py::module_& module);
void bind_tensors(py::module_& module);
void bind_foreach(py::module_& module);

}  // namespace pyoptim::bindings
