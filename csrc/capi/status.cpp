#include "capi/status.hpp"

#include <cstring>
#include <utility>

#include "core/errors.hpp"
#include "core/text.hpp"

namespace pyoptim::capi {
namespace {

thread_local char last_message[1024] = "";
thread_local FunctionCall* running = nullptr;

}  // namespace

Cause::~Cause() {
  if (void* const value = value_.exchange(nullptr); value != nullptr && release_ != nullptr)
    release_(value);
}

void* Cause::take(const char* kind) { return kind_ == kind ? value_.exchange(nullptr) : nullptr; }

Failed& last_failed() {
  thread_local Failed last;
  return last;
}

FunctionCall::FunctionCall() : count_(last_failed().count), outer_(running) { running = this; }

FunctionCall::~FunctionCall() { running = outer_; }

pyoptim_status failed(pyoptim_status status, const char* message,
                      std::weak_ptr<Cause> cause) noexcept {
  char text[sizeof last_message];  // because the message may be the last message itself
  show(message, text, sizeof text);
  std::memcpy(last_message, text, sizeof text);
  Failed& last = last_failed();
  ++last.count;
  last.cause = std::move(cause);
  return status;
}

pyoptim_status failed_by_exception() noexcept {
  try {
    throw;
  } catch (const FunctionError& error) {
    return failed(error.status, error.message.c_str(), error.cause);
  } catch (...) {
    const CaughtError error = caught_error();
    switch (error.kind) {
      case ErrorKind::index:
      case ErrorKind::argument:
        return failed(PYOPTIM_ERROR_ARGUMENT, error.message);
      case ErrorKind::state:
        return failed(PYOPTIM_ERROR_STATE, error.message);
      case ErrorKind::memory:
        return failed(PYOPTIM_ERROR_MEMORY, error.message);
      case ErrorKind::mistake:
        break;
    }
    char message[200] = "an internal error, please report it: ";
    std::strncat(message, error.message, sizeof message - std::strlen(message) - 1);
    return failed(PYOPTIM_ERROR_INTERNAL, message);
  }
}

}  // namespace pyoptim::capi

using namespace pyoptim::capi;

const char* pyoptim_last_error(void) { return last_message; }

pyoptim_status pyoptim_fail(pyoptim_status status, const char* message) {
  return failed(status == PYOPTIM_OK ? PYOPTIM_ERROR_FUNCTION : status,
                message == nullptr ? "the function gave no message" : message);
}

pyoptim_status pyoptim_fail_with(pyoptim_status status, const char* message, const char* kind,
                                 void* cause, void (*release)(void* cause)) {
  if (running == nullptr || kind == nullptr || cause == nullptr) {
    if (release != nullptr && cause != nullptr) release(cause);
    return pyoptim_fail(status, message);
  }
  const pyoptim_status result = pyoptim_fail(status, message);
  guarded([&] {
    std::shared_ptr<Cause> new_cause;
    try {
      new_cause = std::make_shared<Cause>(kind, cause, release);
    } catch (...) {
      if (release != nullptr) release(cause);
      throw;
    }
    last_failed().cause = new_cause;
    running->cause = std::move(new_cause);
  });
  return result;
}

void* pyoptim_take_cause(const char* kind) {
  const std::shared_ptr<Cause> cause = last_failed().cause.lock();
  return cause == nullptr || kind == nullptr ? nullptr : cause->take(kind);
}
