#include "schedules/schedule.hpp"

#include <cmath>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "schedules/all.hpp"

namespace pyoptim::schedules {
namespace {

struct OfFunction : Schedule {
  double (*function)(void*, std::int64_t) = nullptr;
  void* context = nullptr;
  void (*release)(void*) = nullptr;

  ~OfFunction() override {
    if (release != nullptr) release(context);
  }
  OfFunction() = default;
  OfFunction(const OfFunction&) = delete;
  OfFunction& operator=(const OfFunction&) = delete;

  /// Called once for each step, however often its value is asked for. A value that is not finite
  /// is an error and not kept.
  double operator()(std::int64_t step) const override {
    const std::lock_guard<std::mutex> lock(mutex);
    if (step == last_step) return last_value;
    const double value = function(context, step);
    if (std::isfinite(value)) {
      last_step = step;
      last_value = value;
    }
    return value;
  }

 private:
  mutable std::mutex mutex;
  mutable std::int64_t last_step = -1;
  mutable double last_value = 0;
};

template <class S>
SchedulePointer made_from(Arguments& arguments) {
  auto made = std::make_shared<const S>(arguments);
  arguments.check_all_taken();
  return made;
}

template <class... S>
SchedulePointer find_and_make(ScheduleList<S...> /*list*/, std::string_view name,
                              Arguments& arguments) {
  SchedulePointer made;
  const bool found = ((name == S::name && (made = made_from<S>(arguments))) || ...);
  if (found) return made;
  std::string known;
  for (const ScheduleInfo& info : schedule_list())
    known += (known.empty() ? "" : ", ") + std::string(info.name);
  throw std::invalid_argument("there is no schedule '" + std::string(name) + "'; there are " +
                              known);
}

template <class... S>
std::vector<ScheduleInfo> listed(ScheduleList<S...> /*list*/) {
  return {{S::name, S::doc}...};
}

}  // namespace

SchedulePointer make_schedule(std::string_view name, std::vector<Argument> arguments) {
  Arguments given(name, std::move(arguments));
  return find_and_make(AllSchedules{}, name, given);
}

SchedulePointer schedule_of(double (*function)(void* context, std::int64_t step), void* context,
                            void (*release)(void* context)) {
  const auto made = std::make_shared<OfFunction>();
  made->function = function;
  made->context = context;
  made->release = release;
  return made;
}

const std::vector<ScheduleInfo>& schedule_list() {
  static const std::vector<ScheduleInfo> list = listed(AllSchedules{});
  return list;
}

}  // namespace pyoptim::schedules
