// Settings of groups, and the arrays and numbers that are kept for buffers.
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
  return built(optimizer, [&](pyoptim_optimizer& handle, Optimizer& /*engine*/) {
    check_index(buffer, handle.states.size(), "buffer");
    check_index(index, handle.states[buffer].size(), "state");
    const State& found = handle.states[buffer][index];
    fill(state, {0, found.name.c_str(), found.data, found.bytes, found.size, found.shape.size(),
                 found.shape.data(), found.type, 0});
  });
}

pyoptim_status pyoptim_get_steps(pyoptim_optimizer* optimizer, int64_t* steps) {
  return built(optimizer, [&](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    at(steps, "steps") = engine.steps();
  });
}

pyoptim_status pyoptim_set_steps(pyoptim_optimizer* optimizer, int64_t steps) {
  return built(optimizer, [&](pyoptim_optimizer& /*handle*/, Optimizer& engine) {
    if (steps < 0) throw std::invalid_argument("the number of steps must be at least 0");
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
    const Settings given = settings_of(settings, count);
    engine.set(group, given);
    for (const auto& [name, value] : given) end_schedule(handle, group, name);
  });
}

pyoptim_status pyoptim_set_schedule(pyoptim_optimizer* optimizer, size_t group, const char* name,
                                    const pyoptim_schedule* schedule) {
  return built(optimizer, [&](pyoptim_optimizer& handle, Optimizer& engine) {
    check_index(group, engine.group_count(), "group");
    Scheduled made{group, std::string(text(name, "the name")), at(schedule, "the schedule").value};
    const RuleInfo& rule = engine.rule(group);
    bool is_flag = made.name == "decoupled_weight_decay" || made.name == "maximize";
    for (std::size_t i = 0; i < rule.field_count; ++i)
      is_flag = is_flag || (rule.fields[i].range.flag && made.name == rule.fields[i].name);
    if (is_flag) throw std::invalid_argument(made.name + " is a flag, which has no schedule");
    handle.scheduled.reserve(handle.scheduled.size() + 1);
    engine.set(group, made.name, (*made.value)(engine.steps()));
    end_schedule(handle, group, made.name);
    handle.scheduled.push_back(std::move(made));
  });
}
