#include "capi/function.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "capi/exclusive.hpp"
#include "capi/status.hpp"
#include "core/errors.hpp"

namespace pyoptim::capi {
namespace {

class Function : public schedules::Schedule {
 public:
  Function(pyoptim_function function, void* context) : function_(function), context_(context) {}
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;
  ~Function() override {
    causes_.clear();  // released while the code that they need is loaded
    if (release_ != nullptr) release_(context_);
  }
  /// Takes ownership of the context.
  void release_by(void (*release)(void*)) { release_ = release; }

  /// Calls the function once for each step, however often its value is needed. A value that is not
  /// finite is an error and is not cached.
  double operator()(std::int64_t step) const override {
    const std::lock_guard lock(mutex_);
    if (step == last_step_) return last_value_;
    const double value = called(step);
    if (std::isfinite(value)) {
      last_step_ = step;
      last_value_ = value;
    }
    return value;
  }

 private:
  double called(std::int64_t step) const {
    double value = std::numeric_limits<double>::quiet_NaN();
    FunctionCall call;
    pyoptim_status status = PYOPTIM_ERROR_FUNCTION;
    try {
      status = function_(context_, step, &value);
    } catch (...) {
      throw FunctionError{status, caught_error().message, {}};
    }
    if (status == PYOPTIM_OK) return value;
    if (!call.has_failed())
      throw FunctionError{status,
                          "the function of the schedule failed with status " +
                              std::to_string(status) + " at step " + std::to_string(step),
                          {}};
    FunctionError error{status, pyoptim_last_error(), last_failed().cause};
    std::erase_if(causes_, [](const auto& entry) { return entry.second->is_taken(); });
    if (auto cause = error.cause.lock()) causes_[std::this_thread::get_id()] = std::move(cause);
    throw error;
  }

  pyoptim_function function_;
  void* context_;
  void (*release_)(void*) = nullptr;
  mutable Exclusive mutex_{"the schedule is being asked already: its function must not ask it"};
  mutable std::int64_t last_step_ = -1;
  mutable double last_value_ = 0;
  mutable std::map<std::thread::id, std::shared_ptr<Cause>>
      causes_;  // of the last failure in each thread
};

}  // namespace

schedules::SchedulePointer schedule_of(pyoptim_function function, void* context,
                                       void (*release)(void* context)) {
  const auto result = std::make_shared<Function>(function, context);
  result->release_by(release);
  return result;
}

}  // namespace pyoptim::capi
