// Exceptions, schedules, and hyperparameters that may be a number or a schedule. Include
// pyoptim/pyoptim.hpp.
#pragma once

#include <concepts>
#include <cstddef>
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

// The inline namespace keeps inline functions of different versions apart.
namespace pyoptim {
inline namespace v1 {

/// An error of the C interface; what() is its message.
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

/// The kind of cause that carries an exception through the C interface. Programs and libraries
/// built with the same C++ library understand it, whatever their visibility.
#if defined(_LIBCPP_VERSION)
inline constexpr const char* exception_kind = "std::exception_ptr of libc++";
#else
inline constexpr const char* exception_kind = "std::exception_ptr of libstdc++";
#endif

/// Returns the status for an exception of a user's function, and stores the exception as its cause.
inline pyoptim_status caught() noexcept {
  const auto fail = [](const char* message) {
    auto* const cause = new (std::nothrow) std::exception_ptr(std::current_exception());
    return pyoptim_fail_with(PYOPTIM_ERROR_FUNCTION, message, exception_kind, cause,
                             [](void* made) { delete static_cast<std::exception_ptr*>(made); });
  };
  try {
    throw;
  } catch (const std::exception& error) {
    return fail(error.what());
  } catch (...) {
    return fail("a function threw an object that is not a std::exception");
  }
}

/// Throws if a call of the C interface failed. Rethrows the exception of the user's function that
/// caused the failure, if any.
inline void check(pyoptim_status status) {
  if (status == PYOPTIM_OK) return;
  if (void* const cause = pyoptim_take_cause(exception_kind)) {
    const std::unique_ptr<std::exception_ptr> own(static_cast<std::exception_ptr*>(cause));
    std::rethrow_exception(*own);
  }
  if (status == PYOPTIM_ERROR_MEMORY) throw std::bad_alloc();
  throw Error(status, pyoptim_last_error());
}

[[noreturn]] inline void refuse(const std::string& message) {
  pyoptim_fail(PYOPTIM_ERROR_ARGUMENT, message.c_str());  // escapes what messages quote
  throw Error(PYOPTIM_ERROR_ARGUMENT, pyoptim_last_error());
}

/// Returns a name for the C interface. Throws Error for a name with a NUL.
inline const char* c_name(const std::string& name, const char* what) {
  if (const std::size_t at = name.find('\0'); at != std::string::npos)
    refuse(std::string(what) + " '" + name.substr(0, at) + "...' has a NUL at position " +
           std::to_string(at));
  return name.c_str();
}

/// Converts a whole number to double. Throws Error if a double cannot hold it.
template <std::integral T>
double exact(const char* name, T given) {
  const std::conditional_t<std::is_signed_v<T>, long long, unsigned long long> value = given;
  constexpr long long end = 1LL << std::numeric_limits<double>::digits;
  if (std::cmp_greater(value, end) || std::cmp_less(value, -end))
    refuse(std::string(name) + " must be a whole number of at most 2^53, got " +
           std::to_string(value));
  return double(value);
}

class Arguments;

/// A struct of pyoptim::schedules.
template <class S>
concept Named = requires(const S& schedule, Arguments& arguments) {
  { S::schedule_name } -> std::convertible_to<const char*>;
  schedule.each(arguments);
};

}  // namespace detail

/// A function of the step, counted from 0. Pass a struct of pyoptim::schedules or any function of
/// an int64, which is called once per step. The call that evaluates the schedule rethrows its
/// exception, and throws Error for a nonfinite value. In both cases no parameter and no state
/// changes. The function must not use the optimizer that evaluates it or its own schedule, which
/// throws Error.
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
        [](void* given, std::int64_t step, double* value) noexcept {
          try {
            *value = double((*static_cast<Function*>(given))(step));
            return pyoptim_status(PYOPTIM_OK);
          } catch (...) {
            return detail::caught();
          }
        },
        context.get(), [](void* given) { delete static_cast<Function*>(given); }, &made));
    static_cast<void>(context.release());
    handle_.reset(made, pyoptim_schedule_destroy);
  }

  /// Returns the value at a step.
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

/// The arguments of a schedule for the C interface, with their memory.
class Arguments {
 public:
  void operator()(const char* name, double value) { add(name).number = value; }
  void operator()(const char* name, bool value) { add(name).number = value ? 1 : 0; }
  void operator()(const char* name, std::int64_t value) { (*this)(name, exact(name, value)); }
  void operator()(const char* name, const std::optional<std::int64_t>& value) {
    if (value) (*this)(name, *value);
  }
  void operator()(const char* name, const char* word) { add(name).word = word; }
  void operator()(const char* name, const std::vector<std::int64_t>& values) {
    auto& flat = numbers(name);
    for (const std::int64_t value : values) flat.push_back(exact(name, value));
    finish_numbers();
  }
  void operator()(const char* name, const std::vector<std::pair<std::int64_t, double>>& pairs) {
    auto& flat = numbers(name);
    for (const auto& [boundary, scale] : pairs)
      flat.insert(flat.end(), {exact(name, boundary), scale});
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

/// A hyperparameter that is a number or a schedule. Throws Error for a whole number that a double
/// cannot hold.
class Setting {
 public:
  template <class T>
    requires std::is_floating_point_v<T> || std::same_as<T, bool> Setting(T value)
        : value_(double(value)) {}
    template <std::integral T>
      requires(!std::same_as<T, bool>)
    Setting(T value) : value_(detail::exact("a setting", value)) {}
    template <class S>
      requires(!std::is_arithmetic_v<std::remove_cvref_t<S>> &&
               !std::same_as<std::remove_cvref_t<S>, Setting> && std::convertible_to<S, Schedule>)
    Setting(S&& schedule)  // NOLINT(bugprone-forwarding-reference-overload)
        : schedule_(Schedule(std::forward<S>(schedule))), value_((*schedule_)(0)) {}

    /// Returns the number, or the schedule's value at step 0.
    [[nodiscard]] double value() const { return value_; }
    [[nodiscard]] const std::optional<Schedule>& schedule() const { return schedule_; }

   private:
    std::optional<Schedule> schedule_;
    double value_ = 0;
};

}  // namespace v1
}  // namespace pyoptim
