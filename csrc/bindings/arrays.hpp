// Arrays from Python: NumPy, the buffer protocol, and DLPack on the CPU. Nothing here copies or
// casts an array that is to be updated in place.
#pragma once

#include <pybind11/numpy.h>

#include <string>
#include <vector>

#include "bindings/bindings.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim::bindings {

/// The object's memory as a NumPy array. `name` is its name in error messages. With `in_place` it
/// must be writable, and a copy is an error.
py::array as_array(py::handle object, const std::string& name, bool in_place = false);

/// The name of an object's type, for error messages.
std::string type_name(py::handle object);

/// A read-only view of the array.
py::array read_only(py::array array);

/// Whether the dtype has the machine's byte order.
bool is_native(const py::dtype& dtype);

/// The name of a dtype for error messages, with its byte order if that is not the machine's.
std::string dtype_text(const py::dtype& dtype);

/// Whether an array has the memory and dtype of a C-contiguous array and the same order of
/// elements. Its axes may differ.
bool is_same_memory(const py::array& array, const py::array& contiguous);

/// Whether the object is of NumPy's array type itself, not of a subclass.
bool is_numpy_array(py::handle object);

/// Whether as_array() accepts the object.
bool is_array(py::handle object);

/// The dtype. Throws TypeError unless parameters may have it.
DType dtype_of(const py::array& array, const std::string& name);

/// Throws ValueError unless the array can be updated in place: writable, aligned and C-contiguous.
void check_updatable(const py::array& array, const std::string& name);

/// Throws ValueError unless the shapes are the same.
void check_shape(const py::array& array, const py::array& like, const std::string& name);

/// Throws TypeError unless the gradient has the parameter's dtype.
void check_dtype(const py::array& grad, const py::array& param, const std::string& name);

/// Whether the array is contiguous and aligned.
bool is_plain(const py::array& array);

/// A plain NumPy array over the same memory, for arrays of subclasses.
py::array plain_view(const py::array& array);

/// A view that does not own the memory, if something else keeps it alive.
py::array bare_view(const py::array& array);

/// A contiguous copy as a plain NumPy array.
py::array plain_copy(const py::array& array);

/// "(2, 3)"
std::string shape_text(const py::array& array);

py::dtype numpy_dtype(DType dtype);
py::dtype numpy_dtype(StoredType type);

}  // namespace pyoptim::bindings
