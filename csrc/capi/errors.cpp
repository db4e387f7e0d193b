#include "capi/errors.hpp"

#include <cstdio>

namespace pyoptim::capi {
namespace {

thread_local char last_message[1024] = "";

}

pyoptim_status failed(pyoptim_status status, const char* message) noexcept {
  std::snprintf(last_message, sizeof last_message, "%s", message);
  return status;
}

}  // namespace pyoptim::capi

const char* pyoptim_last_error(void) { return pyoptim::capi::last_message; }
