// Arrays that come from Python: NumPy, anything with the buffer protocol, and DLPack on the CPU.
// Nothing here copies or casts what is to be updated in place.
#pragma once

#include <pybind11/numpy.h>

#include <string>
#include <vector>

#include "bindings/bindings.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim::bindings {

/// The object's memory as a NumPy array. `name` is what errors call it. `in_place`: it is to be
/// written, so that a copy is an error.
py::array as_array(py::handle object, const std::string& name, bool in_place = false);

/// The name of an object's type, for errors.
std::string type_name(py::handle object);

/// The array, which is not to be written.
py::array read_only(py::array array);

/// Whether numbers of this type have the machine's byte order.
bool is_native(const py::dtype& dtype);

/// A type's name for errors, with its byte order if that is not the machine's.
std::string dtype_text(const py::dtype& dtype);

/// Whether an array still has the memory and the type of a C-contiguous one, in the same order of
/// elements. Its axes may be others.
bool is_same_memory(const py::array& array, const py::array& contiguous);

/// Whether the object is of NumPy's array type itself, not of a subclass.
bool is_numpy_array(py::handle object);

/// Whether as_array would take the object.
bool is_array(py::handle object);

/// The dtype, or TypeError if it is not one that parameters may have.
DType dtype_of(const py::array& array, const std::string& name);

/// ValueError unless the array can be updated in place: writable, aligned, C-contiguous.
void check_updatable(const py::array& array, const std::string& name);

/// ValueError unless the shapes are the same.
void check_shape(const py::array& array, const py::array& like, const std::string& name);

/// TypeError unless the gradient has the parameter's dtype.
void check_dtype(const py::array& grad, const py::array& param, const std::string& name);

/// Whether its elements follow each other in memory, aligned.
bool is_plain(const py::array& array);

/// A NumPy array proper over the same memory, whatever subclass it is of.
py::array plain_view(const py::array& array);

/// The same memory as an array that does not keep it: where something else does.
py::array bare_view(const py::array& array);

/// A copy whose elements follow each other, as a NumPy array proper.
py::array plain_copy(const py::array& array);

/// "(2, 3)"
std::string shape_text(const py::array& array);

py::dtype numpy_dtype(DType dtype);
py::dtype numpy_dtype(StoredType type);

}  // namespace pyoptim::bindings
