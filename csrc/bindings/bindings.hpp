// The pybind11 face: each file binds one concept, and none has logic beyond checking arguments.
#pragma once

#include <pybind11/pybind11.h>

#include "core/fields.hpp"

namespace pyoptim::bindings {

namespace py = pybind11;

/// A tuple for each field: name, default, range, whether it is a flag, doc.
py::tuple field_list(const FieldInfo* fields, std::size_t count);

void bind_checksum(py::module_& module);
void bind_config(py::module_& module);
void bind_extras(py::module_& module);
void bind_factors(py::module_& module);
void bind_layers(py::module_& module);
void bind_losses(py::module_& module);
void bind_memory(py::module_& module);
void bind_network(py::module_& module);
void bind_norms(py::module_& module);
void bind_optimizer(py::module_& module);
void bind_products(py::module_& module);
void bind_rules(py::module_& module);
void bind_linear(py::module_& module);
void bind_solvers(py::module_& module);
void bind_sparse(py::module_& module);
void bind_step_info(py::module_& module);
void bind_take(py::module_& module);
void bind_tensors(py::module_& module);
void bind_vectors(py::module_& module);

}  // namespace pyoptim::bindings
