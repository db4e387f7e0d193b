// Translation of the engine's exceptions to Python, for both modules.
#pragma once

#include <Python.h>

#include "core/errors.hpp"
#include "core/text.hpp"

namespace pyoptim::bindings {

/// Raises the current C++ exception in Python.
inline void raise_in_python() noexcept {
  const CaughtError error = caught_error();
  char message[4096];
  show(error.message, message, sizeof message);  // because it may quote names of the caller
  switch (error.kind) {
    case ErrorKind::index:
      return PyErr_SetString(PyExc_IndexError, message);
    case ErrorKind::argument:
      return PyErr_SetString(PyExc_ValueError, message);
    case ErrorKind::state:
      return PyErr_SetString(PyExc_RuntimeError, message);
    case ErrorKind::memory:
      PyErr_NoMemory();
      return;
    case ErrorKind::mistake:
      PyErr_Format(PyExc_SystemError, "pyoptim: an internal error, %s; please report it", message);
  }
}

}  // namespace pyoptim::bindings
