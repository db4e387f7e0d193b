// Errors at the border to C: an exception becomes a code, and a message of the thread.
#pragma once

#include <new>
#include <stdexcept>

#include "pyoptim/pyoptim.h"

namespace pyoptim::capi {

/// Keeps the message for pyoptim_last_error(); cut off where it is very long.
pyoptim_status failed(pyoptim_status status, const char* message) noexcept;

/// Runs work() and returns what became of it.
template <class Work>
pyoptim_status guarded(const Work& work) noexcept {
  try {
    work();
    return PYOPTIM_OK;
  } catch (const std::bad_alloc&) {
    return failed(PYOPTIM_ERROR_MEMORY, "out of memory");
  } catch (const std::length_error&) {
    return failed(PYOPTIM_ERROR_MEMORY, "out of memory");
  } catch (const std::logic_error& error) {
    return failed(PYOPTIM_ERROR_ARGUMENT, error.what());
  } catch (const std::runtime_error& error) {
    return failed(PYOPTIM_ERROR_STATE, error.what());
  } catch (...) {
    return failed(PYOPTIM_ERROR_INTERNAL, "an unknown error; please report it");
  }
}

}  // namespace pyoptim::capi
