// The objects behind the handles of pyoptim.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "capi/exclusive.hpp"
#include "capi/status.hpp"
#include "optim/optimizer.hpp"
#include "pyoptim/pyoptim.h"
#include "schedules/schedule.hpp"

struct pyoptim_schedule {
  pyoptim::schedules::SchedulePointer value;
};

namespace pyoptim::capi {

/// An array or a number of a buffer's state.
struct State {
  std::string name;
  void* data;
  std::size_t bytes;
  std::size_t size;
  std::vector<std::size_t> shape;
  pyoptim_type type;
};

/// A hyperparameter of a group that follows a schedule.
struct Scheduled {
  std::size_t group;
  std::string name;
  schedules::SchedulePointer value;
};

}  // namespace pyoptim::capi

/// An optimizer. It starts as a description, and has the engine's optimizer after pyoptim_build.
struct pyoptim_optimizer {
  /// Allows one call at a time.
  pyoptim::capi::Exclusive mutex{
      "the optimizer is in a call already: its own schedule must not use it"};
  std::string rule;
  pyoptim::Settings settings;  // for all groups
  pyoptim::Options options = {.fused = {.stochastic = true}};
  std::vector<pyoptim::GroupSpec> groups;
  std::unordered_set<std::string> names;  // of the buffers
  std::vector<const void*> bound;         // the gradient of each buffer
  std::unique_ptr<pyoptim::Optimizer> engine;
  std::vector<pyoptim::Gradient> by_rows;                 // of the current step
  std::vector<std::vector<std::size_t>> shapes;           // of the buffers
  std::vector<std::vector<pyoptim::capi::State>> states;  // by buffer
  std::vector<pyoptim::capi::Scheduled> scheduled;
};

namespace pyoptim::capi {

/// A required text argument.
inline std::string_view text(const char* value, const char* what) {
  if (value == nullptr) throw std::invalid_argument(std::string(what) + " is NULL");
  return value;
}

/// A required pointer.
template <class T>
T& at(T* pointer, const char* what) {
  if (pointer == nullptr) throw std::invalid_argument(std::string(what) + " is NULL");
  return *pointer;
}

/// Throws unless index < size.
inline void check_index(std::size_t index, std::size_t size, const char* what) {
  if (index >= size)
    throw std::invalid_argument("there is no " + std::string(what) + " " + std::to_string(index) +
                                "; there are " + std::to_string(size));
}

/// Adds a hyperparameter that is not in the list yet.
inline void add_setting(Settings& settings, const char* key, double value) {
  std::string name(text(key, "the name of a setting"));
  for (const auto& setting : settings)
    if (setting.first == name) throw std::invalid_argument(name + " is given twice");
  settings.emplace_back(std::move(name), value);
}

/// Throws unless `steps` is a valid number of steps.
inline void check_steps(const char* what, std::int64_t steps) {
  if (steps < 0 || steps > max_steps)
    throw std::invalid_argument(std::string(what) + " must be at least 0 and at most 2^53, got " +
                                std::to_string(steps));
}

/// Throws unless the pointer can be to `count` items.
template <class T>
void check_list(const T* list, std::size_t count, const char* what) {
  // The size of a pointer is meant if T is one. NOLINTNEXTLINE(bugprone-sizeof-expression)
  if (count > 0) check_addresses(what, &at(list, what), count, sizeof(T));
}

inline Settings settings_of(const pyoptim_setting* list, std::size_t count) {
  check_list(list, count, "settings");
  Settings settings;
  for (std::size_t i = 0; i < count; ++i) add_setting(settings, list[i].name, list[i].value);
  return settings;
}

/// Throws unless the caller's struct is large enough for the members that the library fills.
/// Programs compiled with an older header pass a smaller struct. Then the check has to use the size
/// of that version.
template <class T>
void check_struct(const T* to) {
  const std::size_t size = at(to, "the struct to be filled").struct_size;
  if (size < sizeof(T))
    throw std::invalid_argument("struct_size must be set to the sizeof of the struct, " +
                                std::to_string(sizeof(T)) + ", got " + std::to_string(size));
}

template <class T>
void fill(T* to, T value) {
  check_struct(to);
  value.struct_size = to->struct_size;
  *to = value;
}

/// Locks the optimizer, runs work(optimizer), and returns the status.
template <class Work>
pyoptim_status locked(pyoptim_optimizer* optimizer, const Work& work) noexcept {
  return guarded([&] {
    pyoptim_optimizer& handle = at(optimizer, "the optimizer");
    const std::lock_guard lock(handle.mutex);
    work(handle);
  });
}

/// The same with the engine's optimizer, after pyoptim_build.
template <class Work>
pyoptim_status built(pyoptim_optimizer* optimizer, const Work& work) noexcept {
  return locked(optimizer, [&](pyoptim_optimizer& handle) {
    if (handle.engine == nullptr)
      throw std::runtime_error("the optimizer is not built yet; call pyoptim_build first");
    work(handle, *handle.engine);
  });
}

/// The same with the description, before pyoptim_build.
template <class Work>
pyoptim_status described(pyoptim_optimizer* optimizer, const Work& work) noexcept {
  return locked(optimizer, [&](pyoptim_optimizer& handle) {
    if (handle.engine != nullptr)
      throw std::runtime_error("the optimizer is built; this must be called before pyoptim_build");
    work(handle);
  });
}

/// Sets all scheduled hyperparameters for the next step.
void follow_schedules(pyoptim_optimizer& handle);

/// The state of a buffer, with the names and in the order of a state dict.
std::vector<State> states_of(Optimizer& engine, std::size_t buffer,
                             const std::vector<std::size_t>& shape);

}  // namespace pyoptim::capi
