#include "engine/optimizer.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "engine/threads.hpp"

namespace pyoptim::bindings {
namespace {

/// Name, parameter, and the gradient that is its own, or None.
using NamedArrays = std::vector<std::tuple<std::string, py::object, py::object>>;

/// An engine's optimizer with the arrays it updates. One thread at a time works on it.
class BoundOptimizer {
  /// Runs work() alone: long work without the GIL, short work with it unless another thread is
  /// at this optimizer.
  template <class Work>
  auto locked(const Work& work) {
    std::unique_lock<std::mutex> lock(mutex_, std::defer_lock);
    if (elements_ < serial_below && lock.try_lock()) return work();
    const py::gil_scoped_release released;
    lock.lock();
    return work();
  }

 public:
  BoundOptimizer(const std::string& rule,
                 const std::vector<std::pair<Settings, NamedArrays>>& groups,
                 const Options& options) {
    std::vector<GroupSpec> specs;
    std::vector<py::object> own_grads;
    for (const auto& [settings, params] : groups) {
      GroupSpec& spec = specs.emplace_back();
      spec.settings = settings;
      for (const auto& [name, object, own_grad] : params) {
        const py::array array = as_array(object, name);
        const DType dtype = dtype_of(array, name);
        check_updatable(array, name);
        const void* const grad =
            own_grad.is_none() ? nullptr : as_array(own_grad, "gradient of " + name).data();
        // The engine only reads the pointer here; the array was found writable above.
        spec.tensors.push_back(
            {name, const_cast<void*>(array.data()), std::size_t(array.size()), dtype, grad});
        elements_ += std::size_t(array.size());
        params_.push_back(array);
        names_.push_back(name);
        if (grad != nullptr) own_grads.push_back(own_grad);
      }
    }
    engine_ = std::make_unique<Optimizer>(rule, specs, options);
    if (own_grads.size() == params_.size()) {
      bound_ = checked_grads(own_grads);
      for (const py::array& grad : bound_) bound_pointers_.push_back(grad.data());
    }
  }

  /// The gradients as arrays that a step can read where they lie; the bound ones for None.
  [[nodiscard]] std::vector<py::array> checked_grads(
      const std::optional<std::vector<py::object>>& grads) const {
    if (!grads) {
      check_bound();
      return bound_;
    }
    check_count(grads->size());
    std::vector<py::array> checked;
    for (std::size_t i = 0; i < grads->size(); ++i) {
      checked.push_back(checked_grad((*grads)[i], i));
      if (!is_plain(checked.back()))
        throw py::value_error(grad_name(i) + ": expected a C-contiguous, aligned array");
    }
    return checked;
  }

  /// The engine's optimizer, for compiled code.
  [[nodiscard]] py::capsule engine() const {
    return py::capsule(engine_.get(), "pyoptim.Optimizer");
  }

  StepInfo step(py::handle grads, double grad_scale) {
    if (grads.is_none()) {
      check_bound();
      return locked([&] { return engine_->step(bound_pointers_.data(), grad_scale); });
    }
    if (is_array(grads)) {
      if (params_.size() != 1)
        throw py::type_error("grads: expected a list of " + std::to_string(params_.size()) +
                             " arrays, got one array");
      return step(py::make_tuple(grads), grad_scale);
    }
    const auto sequence = py::reinterpret_steal<py::object>(
        PySequence_Fast(grads.ptr(), "grads: expected a list of arrays, one for each parameter"));
    if (!sequence) throw py::error_already_set();
    const auto count = std::size_t(PySequence_Fast_GET_SIZE(sequence.ptr()));
    check_count(count);
    PyObject** const items = PySequence_Fast_ITEMS(sequence.ptr());
    std::vector<py::array> held;  // what is not the caller's own array
    std::vector<const void*> pointers(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (items[i] == Py_None) continue;
      py::array grad = checked_grad(items[i], i);
      if (!is_plain(grad)) grad = grad.attr("copy")("C");
      pointers[i] = grad.data();
      if (grad.ptr() != items[i]) held.push_back(std::move(grad));
    }
    return locked([&] { return engine_->step(pointers.data(), grad_scale); });
  }

  double get(std::size_t group, const std::string& name) {
    return locked([&] { return engine_->get(group, name); });
  }
  void set(std::size_t group, const std::string& name, double value) {
    locked([&] { engine_->set(group, name, value); });
  }

  void set_all(std::size_t group, const Settings& settings) {
    locked([&] { engine_->set(group, settings); });
  }

  std::int64_t steps() {
    return locked([&] { return engine_->steps(); });
  }
  void set_steps(std::int64_t steps) {
    locked([&] { engine_->set_steps(steps); });
  }

  [[nodiscard]] std::vector<py::array> params() const { return params_; }
  [[nodiscard]] std::vector<std::string> names() const { return names_; }

  /// The states of a parameter by name, as read-only views; then its step count and scalars.
  py::dict state(std::size_t index) {
    const Tensor& tensor = engine_->tensor(index);
    const RuleInfo& rule = engine_->rule(tensor.group);
    auto owner = std::make_unique<std::shared_ptr<Arena>>(engine_->memory());
    const py::capsule base(owner.release(),
                           [](void* arena) { delete static_cast<std::shared_ptr<Arena>*>(arena); });
    py::dict state;
    state["step"] = tensor.steps;
    for (std::size_t k = 0; k < rule.state_count; ++k) {
      py::array view(numpy_dtype(state_dtype(tensor.dtype)), shape(index), tensor.state[k], base);
      view.attr("flags").attr("writeable") = false;
      state[rule.states[k]] = view;
    }
    for (std::size_t k = 0; k < rule.scalar_count; ++k) state[rule.scalars[k]] = tensor.scalars[k];
    return state;
  }

  /// Overwrites what state() gives. The arrays have the states' dtype and shape.
  void load_state(std::size_t index, const py::dict& state) {
    Tensor& tensor = engine_->tensor(index);
    const RuleInfo& rule = engine_->rule(tensor.group);
    const std::size_t bytes = tensor.size * item_size(state_dtype(tensor.dtype));
    std::vector<py::array> arrays;
    for (std::size_t k = 0; k < rule.state_count; ++k) {
      const py::array array = as_array(state[rule.states[k]], rule.states[k]);
      check_shape(array, params_[index], rule.states[k]);
      if (dtype_of(array, rule.states[k]) != state_dtype(tensor.dtype))
        throw py::type_error(std::string(rule.states[k]) + ": wrong dtype");
      arrays.push_back(is_plain(array) ? array : py::array(array.attr("copy")("C")));
    }
    const auto steps = state["step"].cast<std::int64_t>();
    double scalars[max_scalars] = {};
    for (std::size_t k = 0; k < rule.scalar_count; ++k)
      scalars[k] = state[rule.scalars[k]].cast<double>();
    locked([&] {
      for (std::size_t k = 0; k < rule.state_count; ++k)
        std::memcpy(tensor.state[k], arrays[k].data(), bytes);
      std::copy_n(scalars, max_scalars, tensor.scalars);
      tensor.steps = steps;
    });
  }

  /// What a group keeps for each element.
  [[nodiscard]] std::vector<std::string> state_names(std::size_t group) const {
    const RuleInfo& rule = engine_->rule(group);
    return {rule.states, rule.states + rule.state_count};
  }

 private:
  [[nodiscard]] std::string grad_name(std::size_t index) const {
    return "gradient of " + names_[index];
  }

  [[nodiscard]] std::vector<py::ssize_t> shape(std::size_t index) const {
    const py::array& param = params_[index];
    return {param.shape(), param.shape() + param.ndim()};
  }

  void check_bound() const {
    if (bound_.empty() && !params_.empty())
      throw py::value_error("gradients are needed: only optimizers over Parameters have their own");
  }

  void check_count(std::size_t count) const {
    if (count != params_.size())
      throw py::value_error("grads: expected " + std::to_string(params_.size()) +
                            " gradients, one for each parameter, got " + std::to_string(count));
  }

  py::array checked_grad(py::handle object, std::size_t index) const {
    const py::array& param = params_[index];
    if (py::isinstance<py::array>(object)) {
      // The common case, without a word of text made: an array of the parameter's kind.
      const auto grad = py::reinterpret_borrow<py::array>(object);
      if (grad.dtype().ptr() == param.dtype().ptr() && is_plain(grad) &&
          grad.ndim() == param.ndim() &&
          std::equal(grad.shape(), grad.shape() + grad.ndim(), param.shape()) &&
          !engine_->overlaps(grad.data(), std::size_t(grad.nbytes())))
        return grad;
    }
    const std::string name = grad_name(index);
    py::array grad = as_array(object, name);
    if (dtype_of(grad, name) != engine_->tensor(index).dtype)
      throw py::type_error(name + ": expected dtype " + std::string(py::str(param.dtype())) +
                           " as the parameter's, got " + std::string(py::str(grad.dtype())));
    check_shape(grad, param, name);
    if (is_plain(grad) && engine_->overlaps(grad.data(), std::size_t(grad.nbytes())))
      throw py::value_error(name + " overlaps a parameter or a state in memory");
    return grad;
  }

  std::unique_ptr<Optimizer> engine_;
  std::vector<py::array> params_;
  std::vector<std::string> names_;
  std::vector<py::array> bound_;
  std::vector<const void*> bound_pointers_;
  std::size_t elements_ = 0;
  std::mutex mutex_;
};

std::string text(const StepInfo& info) {
  const std::string norm =
      info.measured ? std::string(py::str(py::float_(info.grad_norm))) : "None";
  return "StepInfo(step=" + std::to_string(info.step) + ", grad_norm=" + norm +
         ", skipped=" + (info.skipped ? "True" : "False") + ")";
}

}  // namespace

void bind_optimizer(py::module_& module) {
  py::class_<StepInfo>(module, "StepInfo", "What a step did.")
      .def_readonly("step", &StepInfo::step, "Steps made so far, this one included.")
      .def_property_readonly(
          "grad_norm",
          [](const StepInfo& info) {
            return info.measured ? py::object(py::float_(info.grad_norm)) : py::none();
          },
          "Euclidean norm of all gradients, after grad_scale and before clipping; None unless\n"
          "clip_norm or skip_nonfinite made it needed.")
      .def_readonly("skipped", &StepInfo::skipped,
                    "Whether a gradient was not finite, and nothing was changed.")
      .def("__repr__", &text);

  py::class_<BoundOptimizer>(module, "Optimizer", "An optimizer over arrays, without its face.")
      .def(py::init([](const std::string& rule,
                       const std::vector<std::pair<Settings, NamedArrays>>& groups,
                       double clip_norm, double clip_value, bool skip_nonfinite, int num_threads) {
             return std::make_unique<BoundOptimizer>(
                 rule, groups, Options{clip_norm, clip_value, skip_nonfinite, num_threads});
           }),
           py::arg("rule"), py::arg("groups"), py::kw_only(), py::arg("clip_norm"),
           py::arg("clip_value"), py::arg("skip_nonfinite"), py::arg("num_threads"))
      .def("checked_grads", &BoundOptimizer::checked_grads, py::arg("grads"))
      .def("engine", &BoundOptimizer::engine)
      .def("step", &BoundOptimizer::step, py::arg("grads"), py::arg("grad_scale"))
      .def("get", &BoundOptimizer::get, py::arg("group"), py::arg("name"))
      .def("set", &BoundOptimizer::set, py::arg("group"), py::arg("name"), py::arg("value"))
      .def("set_all", &BoundOptimizer::set_all, py::arg("group"), py::arg("settings"))
      .def("state", &BoundOptimizer::state, py::arg("index"))
      .def("load_state", &BoundOptimizer::load_state, py::arg("index"), py::arg("state"))
      .def("state_names", &BoundOptimizer::state_names, py::arg("group"))
      .def_property("steps", &BoundOptimizer::steps, &BoundOptimizer::set_steps)
      .def_property_readonly("params", &BoundOptimizer::params)
      .def_property_readonly("names", &BoundOptimizer::names);
}

}  // namespace pyoptim::bindings
