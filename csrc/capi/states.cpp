// Hyperparameters of groups, and the states of buffers.
#include <algorithm>
#include <iterator>
#include <string>

#include "capi/handle.hpp"

namespace pyoptim::capi {
namespace {

pyoptim_type type_of(StoredType type) {
  switch (type) {
    case StoredType::float32:
      return PYOPTIM_FLOAT32;
    case StoredType::float64:
      return PYOPTIM_FLOAT64;
    case StoredType::bfloat16:
      return PYOPTIM_BFLOAT16;
    case StoredType::uint8:
      return PYOPTIM_UINT8;
    case StoredType::uint16:
      return PYOPTIM_UINT16;
  }
  throw std::logic_error("an array of an unknown type");
}

void check_has_schedule(const RuleInfo& rule, const std::string& name) {
  bool is_flag = name == "decoupled_weight_decay" || name == "maximize";
  for (std::size_t i = 0; i < rule.field_count; ++i)
    is_flag = is_flag || (rule.fields[i].range.flag && name == rule.fields[i].name);
  if (is_flag) throw std::invalid_argument(name + " is a flag, which has no schedule");
}

const pyoptim_schedule& schedule_of(const pyoptim_argument& setting) {
  if (setting.count != 1)
    throw std::invalid_argument(std::string(setting.name) + " must be a number or one schedule");
  return at(setting.schedules[0], "the schedule");
}

void end_schedule(pyoptim_optimizer& handle, std::size_t group, const std::string& name) {
  std::erase_if(handle.scheduled, [&](const Scheduled& scheduled) {
    return scheduled.group == group && scheduled.name == name;
  });
}

}  // namespace

std::vector<State> states_of(Optimizer& engine, std::size_t buffer,
                             const std::vector<std::size_t>& shape) {
  Tensor& tensor = engine.tensor(buffer);
  std::vector<State> states{{"step", &tensor.steps, sizeof tensor.steps, 1, {}, PYOPTIM_INT64}};
  for (StoredArray& array : engine.stored(buffer))
    states.push_back({std::move(array.name), array.data, array.size * item_size(array.type),
                      array.size, array.by_element ? shape : array.shape, type_of(array.type)});
  const RuleInfo& rule = engine.rule(tensor.group);
  for (std::size_t k = 0; k < rule.scalar_count; ++k)
    states.push_back({rule.scalars[k], &tensor.scalars[k], sizeof(double), 1, {}, PYOPTIM_FLOAT64});
  return states;
}

}  // namespace pyoptim::capi

using namespace pyoptim;
using namespace pyoptim::capi;

pyoptim_status pyoptim_state_count(pyoptim_optimizer* optimizer, size_t buffer, size_t* count) {
  return built(optimizer, [&](pyoptim_optimizer& handle, Optimizer& /*engine*/) {
    check_index(buffer, handle.states.size(), "buffer");
    at(count, "count") = handle.states[buffer].size();
  });
}

pyoptim_status pyoptim_get_state(pyoptim_optimizer* optimizer, size_t buffer, size_t index,
                                 pyoptim_state* state) {
  return built(optimizer, [&](pyoptim_optimizer& handle, Optimizer& engine) {
    check_index(buffer, handle.states.size(), "buffer");
    check_index(index, handle.states[buffer].size(), "state");
    engine.begin(buffer);
    const State& info = handle.states[buffer][index];
    fill(state, {0, info.name.c_str(), info.data, info.bytes, info.size, info.shape.size(),
                 info.shape.data(), info.type, 0});
  });
}

pyoptim_status pyoptim_get_steps(pyoptim_optimizer* optimizer, int64_t* steps) {
  return built(optimizer, [&](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    at(steps, "steps") = engine.steps();
  });
}

pyoptim_status pyoptim_set_steps(pyoptim_optimizer* optimizer, int64_t steps) {
  return built(optimizer, [&](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    check_steps("the number of steps", steps);
    engine.set_steps(steps);
  });
}

pyoptim_status pyoptim_get(pyoptim_optimizer* optimizer, size_t group, const char* name,
                           double* value) {
  return built(optimizer, [&](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    check_index(group, engine.group_count(), "group");
    at(value, "value") = engine.get(group, text(name, "the name"));
  });
}

pyoptim_status pyoptim_set(pyoptim_optimizer* optimizer, size_t group, const char* name,
                           double value) {
  const pyoptim_setting setting{name, value};
  return pyoptim_set_all(optimizer, group, &setting, 1);
}

pyoptim_status pyoptim_set_all(pyoptim_optimizer* optimizer, size_t group,
                               const pyoptim_setting* settings, size_t count) {
  return built(optimizer, [&](pyoptim_optimizer& handle, Optimizer& engine) {
    check_index(group, engine.group_count(), "group");
    const Settings values = settings_of(settings, count);
    engine.set(group, values);
    for (const auto& [name, value] : values) end_schedule(handle, group, name);
  });
}

pyoptim_status pyoptim_set_schedule(pyoptim_optimizer* optimizer, size_t group, const char* name,
                                    const pyoptim_schedule* schedule) {
  pyoptim_argument setting{};
  setting.name = name;
  setting.schedules = &schedule;
  setting.count = 1;
  return pyoptim_set_schedules(optimizer, group, &setting, 1);
}

pyoptim_status pyoptim_set_schedules(pyoptim_optimizer* optimizer, size_t group,
                                     const pyoptim_argument* settings, size_t count) {
  return built(optimizer, [&](pyoptim_optimizer& handle, Optimizer& engine) {
    check_index(group, engine.group_count(), "group");
    check_list(settings, count, "settings");
    Settings values;
    std::vector<Scheduled> schedules;
    for (std::size_t i = 0; i < count; ++i) {
      const pyoptim_argument& setting = settings[i];
      double value = setting.number;
      if (setting.word != nullptr || setting.numbers != nullptr)
        throw std::invalid_argument("settings are numbers or schedules");
      if (setting.schedules != nullptr) {
        std::string name(text(setting.name, "the name of a setting"));
        check_has_schedule(engine.rule(group), name);
        schedules.push_back({group, std::move(name), schedule_of(setting).value});
        value = (*schedules.back().value)(engine.steps());
      }
      add_setting(values, setting.name, value);
    }
    handle.scheduled.reserve(handle.scheduled.size() + schedules.size());
    engine.set(group, values);
    for (const auto& setting : values) end_schedule(handle, group, setting.first);
    std::move(schedules.begin(), schedules.end(), std::back_inserter(handle.scheduled));
  });
}
