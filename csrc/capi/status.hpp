// Errors at the ABI boundary. An exception becomes a status and a message of the thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "pyoptim/pyoptim.h"

namespace pyoptim::capi {

/// The cause of a failed C function, in the caller's language. See pyoptim_fail_with.
class Cause {
 public:
  Cause(const char* kind, void* value, void (*release)(void*))
      : kind_(kind), value_(value), release_(release) {}
  Cause(const Cause&) = delete;
  Cause& operator=(const Cause&) = delete;
  ~Cause();

  /// Transfers ownership to the caller, once. Returns nullptr if the kind differs or the cause was
  /// taken.
  void* take(const char* kind);
  [[nodiscard]] bool is_taken() const { return value_ == nullptr; }

 private:
  std::string kind_;
  std::atomic<void*> value_;
  void (*release_)(void*);
};

/// The last failed call in this thread. The cause belongs to the schedule of the failed function,
/// so that it is released before the program unloads the code of either.
struct Failed {
  std::uint64_t count = 0;  // the number of failed calls so far
  std::weak_ptr<Cause> cause = {};
};
Failed& last_failed();

/// Marks the call of a C function, which may set a cause while it runs.
class FunctionCall {
 public:
  FunctionCall();
  ~FunctionCall();
  FunctionCall(const FunctionCall&) = delete;
  FunctionCall& operator=(const FunctionCall&) = delete;

  /// Whether a call of the interface failed in this thread since then, including pyoptim_fail.
  [[nodiscard]] bool has_failed() const { return last_failed().count != count_; }

  std::shared_ptr<Cause> cause;

 private:
  std::uint64_t count_;
  FunctionCall* outer_;
};

/// A C function failed with this status.
struct FunctionError {
  pyoptim_status status;
  std::string message;
  std::weak_ptr<Cause> cause;
};

/// Stores the message for pyoptim_last_error() in printable form. Very long messages are cut.
pyoptim_status failed(pyoptim_status status, const char* message,
                      std::weak_ptr<Cause> cause = {}) noexcept;

/// The same for the exception that is being handled.
pyoptim_status failed_by_exception() noexcept;

/// Runs work() and returns the status.
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
