// The engine's exceptions as Python's, for both modules.
#pragma once

#include <Python.h>

#include "engine/errors.hpp"

namespace pyoptim::bindings {

/// Raises in Python what is being handled in C++.
inline void raise_in_python() noexcept {
  const CaughtError error = caught_error();
  switch (error.kind) {
    case ErrorKind::index:
      return PyErr_SetString(PyExc_IndexError, error.message);
    case ErrorKind::argument:
      return PyErr_SetString(PyExc_ValueError, error.message);
    case ErrorKind::state:
      return PyErr_SetString(PyExc_RuntimeError, error.message);
    case ErrorKind::memory:
      PyErr_NoMemory();
      return;
    case ErrorKind::mistake:
      PyErr_Format(PyExc_SystemError, "pyoptim: an internal error, %s; please report it",
                   error.message);
  }
}

}  // namespace pyoptim::bindings
