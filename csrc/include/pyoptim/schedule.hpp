// What the C++ face is made of: errors as exceptions, schedules, and settings that may be either a
// number or a schedule. Include pyoptim/pyoptim.hpp.
#pragma once

#include <concepts>
#include <cstdint>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "pyoptim/pyoptim.h"

// Inline functions of one version are never taken for those of another, or for the library's own.
namespace pyoptim {
inline namespace face1 {

/// What a function of the C interface refused; what() is its message.
class Error : public std::runtime_error {
 public:
  Error(pyoptim_status status, const char* message)
      : std::runtime_error(message), status_(status) {}
  /// PYOPTIM_ERROR_ARGUMENT ...
  [[nodiscard]] pyoptim_status status() const { return status_; }

 private:
  pyoptim_status status_;
};

namespace detail {

/// What a schedule that is a function threw in this thread, on its way through the C interface.
inline thread_local std::exception_ptr thrown;

/// Throws what a call of the C interface failed of.
inline void check(pyoptim_status status) {
  if (const std::exception_ptr own = std::exchange(thrown, nullptr)) std::rethrow_exception(own);
  if (status == PYOPTIM_ERROR_MEMORY) throw std::bad_alloc();
  if (status != PYOPTIM_OK) throw Error(status, pyoptim_last_error());
}

class Arguments;

/// A schedule that is written as a struct: those of pyoptim::schedules.
template <class S>
concept Named = requires(const S& schedule, Arguments& arguments) {
  { S::schedule_name } -> std::convertible_to<const char*>;
  schedule.each(arguments);
};

}  // namespace detail

/// A function of the step, counted from 0: one of pyoptim::schedules, or anything that can be
/// called with an int64, which is done once for each step. What it throws the step throws, too; a
/// number that is not finite makes it throw Error. Either way nothing is changed.
class Schedule {
 public:
  template <detail::Named S>
  Schedule(const S& schedule);

  template <std::invocable<std::int64_t> F>
    requires(!std::same_as<std::remove_cvref_t<F>, Schedule>)
  Schedule(F&& function) {  // NOLINT(bugprone-forwarding-reference-overload)
    using Function = std::remove_cvref_t<F>;
    auto context = std::make_unique<Function>(std::forward<F>(function));
    pyoptim_schedule* made = nullptr;
    detail::check(pyoptim_check_abi(PYOPTIM_ABI_VERSION));
    detail::check(pyoptim_schedule_of(
        [](void* given, std::int64_t step) {
          try {
            return double((*static_cast<Function*>(given))(step));
          } catch (...) {
            detail::thrown = std::current_exception();
            return std::numeric_limits<double>::quiet_NaN();
          }
        },
        context.get(), [](void* given) { delete static_cast<Function*>(given); }, &made));
    static_cast<void>(context.release());
    handle_.reset(made, pyoptim_schedule_destroy);
  }

  /// The value at a step.
  [[nodiscard]] double operator()(std::int64_t step) const {
    double value = 0;
    detail::check(pyoptim_schedule_value(handle_.get(), step, &value));
    return value;
  }

  [[nodiscard]] const pyoptim_schedule* handle() const { return handle_.get(); }

 private:
  std::shared_ptr<pyoptim_schedule> handle_;
};

namespace detail {

/// The arguments of a schedule for the C interface, with the memory they are in.
class Arguments {
 public:
  void operator()(const char* name, double value) { add(name).number = value; }
  void operator()(const char* name, bool value) { add(name).number = value ? 1 : 0; }
  void operator()(const char* name, std::int64_t value) { add(name).number = double(value); }
  void operator()(const char* name, const std::optional<std::int64_t>& value) {
    if (value) (*this)(name, *value);
  }
  void operator()(const char* name, const char* word) { add(name).word = word; }
  void operator()(const char* name, const std::vector<std::int64_t>& values) {
    numbers(name).assign(values.begin(), values.end());
    finish_numbers();
  }
  void operator()(const char* name, const std::vector<std::pair<std::int64_t, double>>& pairs) {
    auto& flat = numbers(name);
    for (const auto& [boundary, scale] : pairs) flat.insert(flat.end(), {double(boundary), scale});
    finish_numbers();
  }
  void operator()(const char* name, const Schedule& schedule) {
    (*this)(name, std::vector<Schedule>{schedule});
  }
  void operator()(const char* name, const std::vector<Schedule>& schedules) {
    auto& handles = schedules_.emplace_back();
    handles.reserve(schedules.size() + 1);  // so that data() is not null
    for (const Schedule& schedule : schedules) handles.push_back(schedule.handle());
    pyoptim_argument& argument = add(name);
    argument.schedules = handles.data();
    argument.count = handles.size();
  }

  [[nodiscard]] const std::vector<pyoptim_argument>& all() const { return all_; }

 private:
  pyoptim_argument& add(const char* name) {
    pyoptim_argument& argument = all_.emplace_back();
    argument.name = name;
    return argument;
  }
  std::vector<double>& numbers(const char* name) {
    add(name);
    return numbers_.emplace_back();
  }
  void finish_numbers() {
    numbers_.back().reserve(1);
    all_.back().numbers = numbers_.back().data();
    all_.back().count = numbers_.back().size();
  }

  std::vector<pyoptim_argument> all_;
  std::deque<std::vector<double>> numbers_;
  std::deque<std::vector<const pyoptim_schedule*>> schedules_;
};

}  // namespace detail

template <detail::Named S>
Schedule::Schedule(const S& schedule) {
  detail::Arguments arguments;
  schedule.each(arguments);
  pyoptim_schedule* made = nullptr;
  detail::check(pyoptim_check_abi(PYOPTIM_ABI_VERSION));
  detail::check(pyoptim_schedule_create(S::schedule_name, arguments.all().data(),
                                        arguments.all().size(), &made));
  handle_.reset(made, pyoptim_schedule_destroy);
}

/// A hyper-parameter: a number, or a schedule.
class Setting {
 public:
  template <class T>
    requires std::is_arithmetic_v<T> Setting(T value) : value_(double(value)) {}
    template <class S>
      requires(!std::is_arithmetic_v<std::remove_cvref_t<S>> &&
               !std::same_as<std::remove_cvref_t<S>, Setting> && std::convertible_to<S, Schedule>)
    Setting(S&& schedule)  // NOLINT(bugprone-forwarding-reference-overload)
        : schedule_(Schedule(std::forward<S>(schedule))), value_((*schedule_)(0)) {}

    /// The number, or the schedule's at step 0.
    [[nodiscard]] double value() const { return value_; }
    [[nodiscard]] const std::optional<Schedule>& schedule() const { return schedule_; }

   private:
    std::optional<Schedule> schedule_;
    double value_ = 0;
};

}  // namespace face1
}  // namespace pyoptim
