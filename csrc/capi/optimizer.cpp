// Creation of an optimizer: its description, and pyoptim_build.
#include <limits>
#include <optional>
#include <string>

#include "capi/handle.hpp"

namespace pyoptim::capi {
namespace {

std::optional<DType> parameter_type(pyoptim_type type) {
  switch (type) {
    case PYOPTIM_FLOAT32:
      return DType::float32;
    case PYOPTIM_FLOAT64:
      return DType::float64;
    case PYOPTIM_BFLOAT16:
      return DType::bfloat16;
    default:
      return {};
  }
}

/// The number of elements. Throws if they exceed the address space.
std::size_t size_of(const std::string& name, const std::vector<std::size_t>& shape,
                    std::size_t item) {
  std::size_t size = 1;
  constexpr std::size_t max = std::numeric_limits<std::ptrdiff_t>::max();
  for (const std::size_t length : shape)
    if (__builtin_mul_overflow(size, length, &size) || size > max / item)
      throw std::invalid_argument(name + ": the shape has too many elements");
  return size;
}

TensorSpec& buffer(pyoptim_optimizer& handle, std::size_t index) {
  check_index(index, handle.bound.size(), "buffer");
  for (GroupSpec& group : handle.groups) {
    if (index < group.tensors.size()) return group.tensors[index];
    index -= group.tensors.size();
  }
  throw std::logic_error("buffers were miscounted");
}

}  // namespace
}  // namespace pyoptim::capi

using namespace pyoptim;
using namespace pyoptim::capi;

pyoptim_status pyoptim_create(const char* rule, const pyoptim_setting* settings, size_t count,
                              pyoptim_optimizer** optimizer) {
  return guarded([&] {
    at(optimizer, "made") = nullptr;
    auto handle = std::make_unique<pyoptim_optimizer>();
    handle->rule = text(rule, "the rule");
    handle->settings = settings_of(settings, count);
    const Optimizer trial(handle->rule, {{handle->settings, {}}}, {});
    *optimizer = handle.release();
  });
}

void pyoptim_destroy(pyoptim_optimizer* optimizer) { delete optimizer; }

pyoptim_status pyoptim_add_group(pyoptim_optimizer* optimizer, const pyoptim_setting* settings,
                                 size_t count) {
  return described(optimizer, [&](pyoptim_optimizer& handle) {
    Settings all = handle.settings;
    for (auto& setting : settings_of(settings, count)) all.push_back(std::move(setting));
    const Optimizer trial(handle.rule, {{all, {}}}, handle.options);
    handle.groups.push_back({std::move(all), {}});
  });
}

pyoptim_status pyoptim_add_buffer(pyoptim_optimizer* optimizer, const char* name, pyoptim_type type,
                                  void* data, size_t ndim, const size_t* shape) {
  return described(optimizer, [&](pyoptim_optimizer& handle) {
    TensorSpec spec;
    spec.name = name == nullptr ? "buffer " + std::to_string(handle.bound.size()) : name;
    const auto dtype = parameter_type(type);
    if (!dtype)
      throw std::invalid_argument(spec.name + ": parameters must be float32, float64 or bfloat16");
    spec.dtype = *dtype;
    check_list(shape, ndim, (spec.name + ": the shape").c_str());
    spec.shape.assign(shape, shape + ndim);
    spec.size = size_of(spec.name, spec.shape, item_size(*dtype));
    spec.data = data;
    if (spec.size > 0 && data == nullptr) throw std::invalid_argument(spec.name + ": data is NULL");
    check_addresses(spec.name, data, spec.size, item_size(*dtype));
    if (reinterpret_cast<std::uintptr_t>(data) % item_size(*dtype) != 0)
      throw std::invalid_argument(spec.name + ": data is not aligned to its type");
    std::vector<std::size_t> shape = spec.shape;
    std::string added = spec.name;
    if (handle.names.contains(added))
      throw std::invalid_argument("there is a buffer '" + added + "' already");
    handle.bound.reserve(handle.bound.size() + 1);
    handle.shapes.reserve(handle.shapes.size() + 1);
    if (handle.groups.empty()) handle.groups.push_back({handle.settings, {}});
    handle.groups.back().tensors.reserve(handle.groups.back().tensors.size() + 1);
    handle.names.insert(std::move(added));
    handle.groups.back().tensors.push_back(std::move(spec));
    handle.bound.push_back(nullptr);
    handle.shapes.push_back(std::move(shape));
  });
}

pyoptim_status pyoptim_bind_gradient(pyoptim_optimizer* optimizer, size_t index,
                                     const void* gradient) {
  return locked(optimizer, [&](pyoptim_optimizer& handle) {
    buffer(handle, index).grad = gradient;
    handle.bound[index] = gradient;
  });
}

pyoptim_status pyoptim_build(pyoptim_optimizer* optimizer) {
  return described(optimizer, [](pyoptim_optimizer& handle) {
    if (handle.groups.empty()) handle.groups.push_back({handle.settings, {}});
    auto engine = std::make_unique<Optimizer>(handle.rule, handle.groups, handle.options);
    std::vector<std::vector<State>> states;
    for (std::size_t i = 0; i < handle.shapes.size(); ++i)
      states.push_back(states_of(*engine, i, handle.shapes[i]));
    handle.by_rows.resize(handle.shapes.size());
    handle.states = std::move(states);
    handle.engine = std::move(engine);
  });
}

pyoptim_status pyoptim_group_count(pyoptim_optimizer* optimizer, size_t* count) {
  return locked(optimizer,
                [&](pyoptim_optimizer& handle) { at(count, "count") = handle.groups.size(); });
}

pyoptim_status pyoptim_buffer_count(pyoptim_optimizer* optimizer, size_t* count) {
  return locked(optimizer,
                [&](pyoptim_optimizer& handle) { at(count, "count") = handle.bound.size(); });
}
