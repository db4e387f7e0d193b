// What stands behind the handles of pyoptim.h, and how errors become codes.
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

/// An array or a number that is kept for a buffer.
struct State {
  std::string name;
  void* data;
  std::size_t bytes;
  std::size_t size;
  std::vector<std::size_t> shape;
  pyoptim_type type;
};

/// A setting of a group that changes with the step.
struct Scheduled {
  std::size_t group;
  std::string name;
  schedules::SchedulePointer value;
};

}  // namespace pyoptim::capi

/// First a description that is added to; from pyoptim_build on the engine's optimizer.
struct pyoptim_optimizer {
  /// One call at a time.
  pyoptim::capi::Exclusive mutex{
      "the optimizer is in a call already: its own schedule must not use it"};
  std::string rule;
  pyoptim::Settings settings;  // of all groups
  pyoptim::Options options = {.extras = {.stochastic = true}};
  std::vector<pyoptim::GroupSpec> groups;
  std::unordered_set<std::string> names;  // of the buffers
  std::vector<const void*> bound;         // gradients, by buffer
  std::unique_ptr<pyoptim::Optimizer> engine;
  std::vector<pyoptim::Gradient> by_rows;                 // of the step that is being made
  std::vector<std::vector<std::size_t>> shapes;           // of the buffers
  std::vector<std::vector<pyoptim::capi::State>> states;  // by buffer
  std::vector<pyoptim::capi::Scheduled> scheduled;
};

namespace pyoptim::capi {

/// A text argument, which must be there.
inline std::string_view text(const char* given, const char* what) {
  if (given == nullptr) throw std::invalid_argument(std::string(what) + " is NULL");
  return given;
}

/// What a pointer leads to; it must lead somewhere.
template <class T>
T& at(T* pointer, const char* what) {
  if (pointer == nullptr) throw std::invalid_argument(std::string(what) + " is NULL");
  return *pointer;
}

/// Element `index` of a list of so many.
inline void check_index(std::size_t index, std::size_t size, const char* what) {
  if (index >= size)
    throw std::invalid_argument("there is no " + std::string(what) + " " + std::to_string(index) +
                                "; there are " + std::to_string(size));
}

/// Adds a setting that is not there yet.
inline void add_setting(Settings& settings, const char* given, double value) {
  std::string name(text(given, "the name of a setting"));
  for (const auto& setting : settings)
    if (setting.first == name) throw std::invalid_argument(name + " is given twice");
  settings.emplace_back(std::move(name), value);
}

/// Throws unless it can be a number of steps.
inline void check_steps(const char* what, std::int64_t steps) {
  if (steps < 0 || steps > most_steps)
    throw std::invalid_argument(std::string(what) + " must be at least 0 and at most 2^53, got " +
                                std::to_string(steps));
}

/// Throws unless so many items can be where the pointer leads to.
template <class T>
void check_list(const T* given, std::size_t count, const char* what) {
  // The size of a pointer is meant if T is one. NOLINTNEXTLINE(bugprone-sizeof-expression)
  if (count > 0) check_addresses(what, &at(given, what), count, sizeof(T));
}

inline Settings settings_of(const pyoptim_setting* given, std::size_t count) {
  check_list(given, count, "settings");
  Settings settings;
  for (std::size_t i = 0; i < count; ++i) add_setting(settings, given[i].name, given[i].value);
  return settings;
}

/// Throws unless a struct of the caller's has the members that the library fills. Programs compiled
/// with an older header will have shorter ones: then this compares with the size of that time.
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

/// Runs work(optimizer) alone, and returns what became of it.
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

/// Sets all that schedules say of the next step.
void follow_schedules(pyoptim_optimizer& handle);

/// Everything that is kept for a buffer, with the names and order of a state dict.
std::vector<State> states_of(Optimizer& engine, std::size_t buffer,
                             const std::vector<std::size_t>& shape);

}  // namespace pyoptim::capi
