#include "bindings/state_dict.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "bindings/arrays.hpp"

namespace pyoptim::bindings {
namespace {

/// Views of the stored arrays of a parameter. They keep the memory alive.
py::dict array_views(const Optimizer& engine, std::size_t index, const Shape& param) {
  auto owner = std::make_unique<std::shared_ptr<Arena>>(engine.memory());
  const py::capsule base(owner.release(),
                         [](void* arena) { delete static_cast<std::shared_ptr<Arena>*>(arena); });
  py::dict views;
  for (const StoredArray& stored : engine.stored(index))
    views[stored.name.c_str()] =
        py::array(numpy_dtype(stored.type), shape_of(stored, param), stored.data, base);
  return views;
}

}  // namespace

Shape shape_of(const StoredArray& stored, const Shape& param) {
  if (stored.by_element) return param;
  return {stored.shape.begin(), stored.shape.end()};
}

py::dict state_views(Optimizer& engine, std::size_t index, const Shape& param) {
  const Tensor& tensor = engine.tensor(index);
  const RuleInfo& rule = engine.rule(tensor.group);
  py::dict state;
  state["step"] = tensor.steps;
  for (const auto& [name, view] : array_views(engine, index, param)) {
    view.attr("flags").attr("writeable") = false;
    state[name] = view;
  }
  for (std::size_t k = 0; k < rule.scalar_count; ++k) state[rule.scalars[k]] = tensor.scalars[k];
  return state;
}

py::dict writable_state(Optimizer& engine, std::size_t index, const Shape& param,
                        const py::object& owner) {
  Tensor& tensor = engine.tensor(index);
  const RuleInfo& rule = engine.rule(tensor.group);
  py::dict state = array_views(engine, index, param);
  state["step"] = py::array(py::dtype::of<std::int64_t>(), Shape{}, &tensor.steps, owner);
  for (std::size_t k = 0; k < rule.scalar_count; ++k)
    state[rule.scalars[k]] = py::array(py::dtype::of<double>(), Shape{}, &tensor.scalars[k], owner);
  return state;
}

LoadedState::LoadedState(const Optimizer& engine, std::size_t index, const py::dict& state)
    : stored_(engine.stored(index)), steps_(state["step"].cast<std::int64_t>()) {
  for (const StoredArray& to : stored_) {
    const py::array array = as_array(state[to.name.c_str()], to.name);
    if (!array.dtype().is(numpy_dtype(to.type)) && !array.dtype().equal(numpy_dtype(to.type)))
      throw py::type_error(to.name + ": wrong dtype");
    if (std::size_t(array.size()) != to.size) throw py::value_error(to.name + ": wrong shape");
    arrays_.push_back(is_plain(array) ? plain_view(array) : plain_copy(array));
  }
  const RuleInfo& rule = engine.rule(engine.tensor(index).group);
  for (std::size_t k = 0; k < rule.scalar_count; ++k)
    scalars_[k] = state[rule.scalars[k]].cast<double>();
}

void LoadedState::write(Optimizer& engine, std::size_t index) const {
  Tensor& tensor = engine.tensor(index);
  for (std::size_t k = 0; k < stored_.size(); ++k)
    if (stored_[k].size > 0)
      std::memcpy(stored_[k].data, arrays_[k].data(), std::size_t(arrays_[k].nbytes()));
  std::copy_n(scalars_, max_scalars, tensor.scalars);
  tensor.steps = steps_;
  if (steps_ == 0) engine.keep_written(index);
}

StateCopies::StateCopies(const Optimizer& engine, const std::vector<Shape>& params)
    : tensors_(params.size()) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    py::dict& state = states_.emplace_back();
    state["step"] = 0;
    for (const StoredArray& stored : engine.stored(i)) {
      py::array copy(numpy_dtype(stored.type), shape_of(stored, params[i]));
      copies_.push_back({copy.mutable_data(), stored.data, std::size_t(copy.nbytes())});
      state[stored.name.c_str()] = std::move(copy);
    }
  }
}

void StateCopies::capture(Optimizer& engine) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) engine.begin(i);
  for (const auto& [to, from, bytes] : copies_)
    if (bytes > 0) std::memcpy(to, from, bytes);
  for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i] = std::as_const(engine).tensor(i);
  steps_ = engine.steps();
}

std::pair<std::int64_t, std::vector<py::dict>> StateCopies::captured(
    const Optimizer& engine) const {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const RuleInfo& rule = engine.rule(tensors_[i].group);
    states_[i]["step"] = tensors_[i].steps;
    for (std::size_t k = 0; k < rule.scalar_count; ++k)
      states_[i][rule.scalars[k]] = tensors_[i].scalars[k];
  }
  return {steps_, states_};
}

bool holds(const py::dict& dict, const py::tuple& values, const py::tuple& inner) {
  std::size_t count = 0, inner_count = 0;
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(dict.ptr(), &at, nullptr, &value) != 0; ++count) {
    if (count >= values.size() || PyTuple_GET_ITEM(values.ptr(), Py_ssize_t(count)) != value)
      return false;
    if (PyDict_Check(value) == 0) continue;
    PyObject* item = nullptr;
    for (Py_ssize_t i = 0; PyDict_Next(value, &i, nullptr, &item) != 0; ++inner_count)
      if (inner_count >= inner.size() ||
          PyTuple_GET_ITEM(inner.ptr(), Py_ssize_t(inner_count)) != item)
        return false;
  }
  return count == values.size() && inner_count == inner.size();
}

}  // namespace pyoptim::bindings
