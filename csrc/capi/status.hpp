// Errors at the border to C: an exception becomes a code, and a message of the thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "pyoptim/pyoptim.h"

namespace pyoptim::capi {

/// What a function of the caller's failed of, in the caller's language: see pyoptim_fail_with.
class Cause {
 public:
  Cause(const char* kind, void* value, void (*release)(void*))
      : kind_(kind), value_(value), release_(release) {}
  Cause(const Cause&) = delete;
  Cause& operator=(const Cause&) = delete;
  ~Cause();

  /// Gives it to the caller, once; nullptr if it is of another kind, or was given.
  void* take(const char* kind);
  [[nodiscard]] bool is_taken() const { return value_ == nullptr; }

 private:
  std::string kind_;
  std::atomic<void*> value_;
  void (*release_)(void*);
};

/// The last call that failed in this thread. Its cause belongs to the schedule with the function
/// that failed, so that it is released before the program unloads the code of either.
struct Failed {
  std::uint64_t count = 0;  // of all calls that failed so far
  std::weak_ptr<Cause> cause = {};
};
Failed& last_failed();

/// Where a function of the caller's is called: who has the cause while it runs.
class FunctionCall {
 public:
  FunctionCall();
  ~FunctionCall();
  FunctionCall(const FunctionCall&) = delete;
  FunctionCall& operator=(const FunctionCall&) = delete;

  /// Whether a call of the interface failed in this thread since, be it pyoptim_fail.
  [[nodiscard]] bool has_failed() const { return last_failed().count != count_; }

  std::shared_ptr<Cause> cause;

 private:
  std::uint64_t count_;
  FunctionCall* outer_;
};

/// A function of the caller's failed, with this status.
struct FunctionError {
  pyoptim_status status;
  std::string message;
  std::weak_ptr<Cause> cause;
};

/// Keeps the message for pyoptim_last_error(), as it is shown; cut off where it is very long.
pyoptim_status failed(pyoptim_status status, const char* message,
                      std::weak_ptr<Cause> cause = {}) noexcept;

/// The same of the exception that is being handled.
pyoptim_status failed_by_exception() noexcept;

/// Runs work() and returns what became of it.
template <class Work>
pyoptim_status guarded(const Work& work) noexcept {
  try {
    work();
    return PYOPTIM_OK;
  } catch (...) {
    return failed_by_exception();
  }
}

}  // namespace pyoptim::capi
