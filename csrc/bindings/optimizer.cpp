#include "optim/optimizer.hpp"

#include <pybind11/stl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/row_grads.hpp"
#include "bindings/state_dict.hpp"
#include "core/threads.hpp"

namespace pyoptim::bindings {
namespace {

/// The name, the parameter, and its bound gradient: an array, a RowSlot or None.
using NamedArrays = std::vector<std::tuple<std::string, py::object, py::object>>;

/// The engine's optimizer with the arrays that it updates. One thread at a time uses it.
class BoundOptimizer {
  /// Runs work() exclusively. Long work runs without the GIL, short work with it unless another
  /// thread uses this optimizer. `more` elements may be processed besides those of all parameters.
  template <class Work>
  auto locked(const Work& work, std::size_t more = 0) {
    std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    // The lock belongs to the process that took it last, which may be another one after a fork.
    if (!lock && process_ != getpid())
      throw std::runtime_error(
          "this process was forked while another thread stepped the optimizer; make a new one");
    if (lock && elements_ + more < serial_below) return work();
    const py::gil_scoped_release released;
    if (!lock) lock.lock();
    process_ = getpid();
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
        const py::array array = as_array(object, name, true);
        const DType dtype = dtype_of(array, name);
        check_updatable(array, name);
        if (is_row_slot(own_grad)) slots_.emplace_back(params_.size(), own_grad);
        const bool dense = !own_grad.is_none() && !is_row_slot(own_grad);
        const void* const grad = dense ? as_array(own_grad, "gradient of " + name).data() : nullptr;
        // The engine only reads through this pointer, and the array was checked to be writable.
        spec.tensors.push_back({name,
                                const_cast<void*>(array.data()),
                                std::size_t(array.size()),
                                dtype,
                                grad,
                                {array.shape(), array.shape() + array.ndim()}});
        elements_ += std::size_t(array.size());
        params_.push_back(bare_view(array));
        user_arrays_.push_back(array);
        if (!py::isinstance<py::array>(object) && py::hasattr(object, "data_ptr"))
          tensors_.push_back({params_.size() - 1, object, storage_bytes(object)});
        names_.push_back(name);
        if (!own_grad.is_none()) own_grads.push_back(own_grad);
      }
    }
    engine_ = std::make_unique<Optimizer>(rule, specs, options);
    if (!slots_.empty() && !engine_->supports_row_grad())
      refuse_row_grad(grad_name(slots_.front().first), *engine_);
    if (own_grads.size() == params_.size()) {
      for (std::size_t i = 0; i < own_grads.size(); ++i) {
        bound_.push_back(is_row_slot(own_grads[i]) ? py::array() : plain_grad(own_grads[i], i));
        bound_views_.push_back(bare_view(bound_.back()));
        bound_pointers_.push_back(bound_.back().data());
      }
    }
  }

  /// The gradients as arrays that a step can read without a copy, or None for a missing gradient.
  /// `None` stands for the bound gradients. The result is None if there are none, or if some are
  /// row-sparse.
  [[nodiscard]] py::object checked_grads(py::handle grads) const {
    check_memory();
    if (grads.is_none()) check_bound_memory();
    if (grads.is_none())
      return is_bound() && slots_.empty() ? py::object(py::cast(bound_)) : py::none();
    const Arrays arrays = arrays_of(grads, "grads");
    py::list checked;
    for (std::size_t i = 0; i < arrays.pointers.size(); ++i)
      if (arrays.pointers[i] == nullptr)
        checked.append(py::none());
      else
        checked.append(plain_grad(PyTuple_GET_ITEM(arrays.sequence.ptr(), py::ssize_t(i)), i));
    return checked;
  }

  /// The gradients of a step as contiguous arrays, or None for a missing gradient. Strided
  /// gradients are copied. With `supports_row_grad`, row-sparse gradients are RowGrads with such
  /// arrays.
  [[nodiscard]] py::list readable_grads(py::handle grads, bool supports_row_grad) const {
    check_memory();
    if (grads.is_none() && !slots_.empty() && !supports_row_grad)
      refuse_row_grad(grad_name(slots_.front().first));
    const Arrays arrays =
        grads.is_none() ? bound_arrays() : arrays_of(grads, "grads", supports_row_grad);
    const py::object owner = py::make_tuple(arrays.sequence, arrays.held);
    py::list readable;
    for (std::size_t i = 0; i < arrays.pointers.size(); ++i)
      if (arrays.pointers[i] == nullptr)
        readable.append(py::none());
      else
        readable.append(py::array(params_[i].dtype(), shape(i), arrays.pointers[i], owner));
    for (const auto& [index, grad] : arrays.by_rows) readable[index] = grad.object();
    return readable;
  }

  /// The engine's optimizer, for compiled code.
  [[nodiscard]] py::capsule engine() const {
    return py::capsule(engine_.get(), "pyoptim.Optimizer");
  }

  void update_hessian(py::handle estimates) {
    const RuleInfo& rule = engine_->rule(0);
    if (rule.update_hessian[0] == nullptr)
      throw py::type_error(std::string(rule.name) + " uses no estimates of the Hessian");
    check_memory();
    const Arrays arrays = arrays_of(estimates, "hessian");
    locked([&] { engine_->update_hessian(arrays.pointers.data()); });
  }

  void set_evaluating(bool evaluating) {
    check_memory();
    locked([&] { engine_->set_evaluating(evaluating); });
  }
  [[nodiscard]] bool evaluating() const { return engine_->evaluating(); }

  /// A step that leaves the EMA and the copies of `postponed` parameters to update_copies().
  StepInfo step_and_postpone(py::handle grads, std::vector<std::size_t> postponed) {
    const struct Reset {
      Optimizer& engine;
      ~Reset() { engine.postpone_copies({}); }
    } reset{*engine_};
    engine_->postpone_copies(std::move(postponed));
    return step(grads, 1);
  }
  void update_copies(const std::vector<std::size_t>& params) {
    locked([&] { engine_->update_copies(params); });
  }

  StepInfo step(py::handle grads, double grad_scale) {
    check_memory();
    if (grads.is_none()) {
      check_bound_memory();
      if (is_bound() && slots_.empty())
        return locked([&] { return engine_->step(bound_pointers_.data(), grad_scale); });
      return step_by_rows(bound_arrays(), grad_scale);
    }
    const Arrays arrays = arrays_of(grads, "grads", true);
    if (arrays.by_rows.empty())
      return locked([&] { return engine_->step(arrays.pointers.data(), grad_scale); });
    return step_by_rows(arrays, grad_scale);
  }

  /// A step with gradients by address, or None for a missing gradient. The caller guarantees that
  /// each address has as many contiguous elements as the parameter, of its dtype.
  StepInfo step_at(const std::vector<std::optional<std::uintptr_t>>& addresses, double grad_scale) {
    check_count(addresses.size());
    check_memory();
    static constexpr char nothing = 0;  // an empty gradient has no memory, but counts as a gradient
    std::vector<const void*> pointers(addresses.size());
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      if (!addresses[i]) continue;
      pointers[i] = reinterpret_cast<const void*>(*addresses[i]);
      if (engine_->overlaps(pointers[i], std::size_t(params_[i].nbytes())))
        throw py::value_error(grad_name(i) + " overlaps a parameter or a state in memory");
      if (pointers[i] == nullptr) pointers[i] = &nothing;
    }
    return locked([&] { return engine_->step(pointers.data(), grad_scale); });
  }

  double get(std::size_t group, const std::string& name) {
    return locked([&] { return engine_->get(group, name); });
  }
  void set(std::size_t group, const std::string& name, double value) {
    locked([&] { engine_->set(group, name, value); });
  }

  void set_groups(const std::vector<Settings>& by_group) {
    locked([&] { engine_->set(by_group); });
  }

  std::int64_t steps() {
    return locked([&] { return engine_->steps(); });
  }
  void set_steps(std::int64_t steps) {
    locked([&] { engine_->set_steps(steps); });
  }

  [[nodiscard]] std::vector<py::array> params() const {
    check_memory();
    return user_arrays_;
  }
  [[nodiscard]] std::vector<std::string> names() const { return names_; }

  /// The state of a parameter by name, as read-only views, followed by its step count and scalars.
  py::dict state(std::size_t index) {
    locked([&] { engine_->begin(index); });
    return state_views(*engine_, index, shape(index));
  }

  /// The same as writable views. Numbers are arrays without axes, which keep `self` alive.
  py::dict state_memory(std::size_t index, const py::object& self) {
    locked([&] { engine_->begin(index); });
    return writable_state(*engine_, index, shape(index), self);
  }

  /// The step count and consistent copies of the states of all parameters.
  std::pair<std::int64_t, std::vector<py::dict>> snapshot() {
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < params_.size(); ++i) shapes.push_back(shape(i));
    StateCopies copies(*engine_, shapes);
    locked([&] { copies.capture(*engine_); });
    return copies.captured(*engine_);
  }

  /// Overwrites hyperparameters, states and steps: all of them or none.
  void load(const std::vector<Settings>& settings, const py::list& states, std::int64_t steps) {
    std::vector<LoadedState> loaded;
    for (std::size_t i = 0; i < params_.size(); ++i) loaded.emplace_back(*engine_, i, states[i]);
    locked([&] {
      engine_->set(settings);
      for (std::size_t i = 0; i < loaded.size(); ++i) loaded[i].write(*engine_, i);
      engine_->set_steps(steps);
    });
  }

  /// For Python's garbage collector. Cycles are broken elsewhere, because the engine has these
  /// addresses.
  int visit(visitproc visit, void* arg) const {
    for (const py::array& array : user_arrays_) Py_VISIT(array.ptr());
    for (const py::array& array : bound_) Py_VISIT(array.ptr());
    for (const auto& [index, tensor, bytes] : tensors_) Py_VISIT(tensor.ptr());
    for (const auto& [index, slot] : slots_) Py_VISIT(slot.ptr());
    return 0;
  }

  /// The names of the states of a group.
  [[nodiscard]] std::vector<std::string> state_names(std::size_t group) const {
    const RuleInfo& rule = engine_->rule(group);
    return {rule.states, rule.states + rule.state_count};
  }

  /// A tensor of PyTorch can get other memory by share_memory_() or a new `data`. An array can be
  /// resized, made read-only, or get another dtype or strides.
  void check_memory() const {
    for (std::size_t i = 0; i < user_arrays_.size(); ++i) {
      const py::array& array = user_arrays_[i];
      if (!is_same_memory(array, params_[i])) refuse_memory(array, params_[i], names_[i]);
      if (!array.writeable()) check_updatable(array, names_[i]);
    }
    for (const auto& [index, tensor, bytes] : tensors_)
      if (params_[index].size() > 0 &&
          (tensor.attr("data_ptr")().cast<std::uintptr_t>() !=
               reinterpret_cast<std::uintptr_t>(params_[index].data()) ||
           (bytes > 0 && storage_bytes(tensor) < bytes)))
        throw py::value_error(names_[index] +
                              ": the tensor's memory is no longer the one it had "
                              "when the optimizer was made; make a new optimizer");
  }

 private:
  /// The storage of a tensor can be shrunk, even if it stays at its address.
  struct TorchTensor {
    std::size_t index;
    py::object tensor;
    std::size_t bytes;  // the initial size of its storage; 0 if unknown
  };
  static std::size_t storage_bytes(const py::object& tensor) {
    if (!py::hasattr(tensor, "untyped_storage")) return 0;
    return tensor.attr("untyped_storage")().attr("nbytes")().cast<std::size_t>();
  }

  /// The bound gradients of the parameters.
  [[nodiscard]] Arrays bound_arrays() const {
    check_bound();
    check_bound_memory();
    Arrays arrays{py::tuple(), bound_, bound_pointers_, {}};
    for (const auto& [index, slot] : slots_) {
      arrays.pointers[index] = nullptr;
      arrays.by_rows.emplace_back(index, checked_row_grad(slot.attr("grad"), index));
    }
    return arrays;
  }

  /// With `supports_row_grad`, gradients may be row-sparse.
  [[nodiscard]] Arrays arrays_of(py::handle grads, const char* what,
                                 bool supports_row_grad = false) const {
    if (is_array(grads) || is_row_grad(grads)) {
      if (params_.size() != 1)
        throw py::type_error(std::string(what) + ": expected a list of " +
                             std::to_string(params_.size()) + " arrays, got one " +
                             (is_array(grads) ? "array" : "RowGrad"));
      return arrays_of(py::make_tuple(grads), what, supports_row_grad);
    }
    Arrays arrays;
    arrays.sequence = py::reinterpret_steal<py::tuple>(PySequence_Tuple(grads.ptr()));
    if (!arrays.sequence) {
      PyErr_Clear();
      throw py::type_error(std::string(what) +
                           ": expected a list of arrays, one for each parameter");
    }
    check_count(arrays.sequence.size());
    arrays.pointers.resize(arrays.sequence.size());
    const bool zeroes = engine_->options().fused.zero_grads;
    for (std::size_t i = 0; i < arrays.pointers.size(); ++i) {
      const py::handle object = PyTuple_GET_ITEM(arrays.sequence.ptr(), py::ssize_t(i));
      if (object.is_none()) continue;
      if (supports_row_grad && is_row_grad(object)) {
        arrays.by_rows.emplace_back(i, checked_row_grad(object, i));
        continue;
      }
      py::array array = checked_grad(object, i);
      if (zeroes && !(is_plain(array) && array.writeable()))
        throw py::value_error(grad_name(i) +
                              ": zero_grads needs C-contiguous, aligned, writable arrays");
      if (!is_plain(array)) array = plain_copy(array);
      arrays.pointers[i] = array.data();
      if (array.ptr() != object.ptr()) arrays.held.push_back(std::move(array));
    }
    return arrays;
  }

  StepInfo step_by_rows(const Arrays& arrays, double grad_scale) {
    const std::vector<Gradient> all = arrays.gradients();
    return locked([&] { return engine_->step(all.data(), grad_scale); }, arrays.elements_of_rows());
  }

  [[nodiscard]] std::string grad_name(std::size_t index) const {
    return "gradient of " + names_[index];
  }

  [[nodiscard]] std::vector<py::ssize_t> shape(std::size_t index) const {
    const py::array& param = params_[index];
    return {param.shape(), param.shape() + param.ndim()};
  }

  [[nodiscard]] bool is_bound() const { return !bound_.empty() || params_.empty(); }

  void check_bound() const {
    if (!is_bound())
      throw py::value_error("gradients are needed: only optimizers over Parameters have their own");
  }

  [[noreturn]] static void refuse_memory(const py::array& now, const py::array& before,
                                         const std::string& name) {
    const auto layout = [](const py::array& array) {
      return "dtype " + dtype_text(array.dtype()) + ", shape " + shape_text(array) +
             " and strides " + std::string(py::str(array.attr("strides")));
    };
    if (now.data() != before.data() || now.nbytes() != before.nbytes())
      throw py::value_error(name +
                            ": the array's memory is no longer the one it had "
                            "when the optimizer was made; make a new optimizer");
    throw py::value_error(name + ": expected " + layout(before) +
                          " as when the optimizer was made, got " + layout(now) +
                          "; set them back, or make a new optimizer");
  }

  /// Gradients may have changed like parameters. Read-only gradients can be read, but not set to 0.
  void check_bound_memory() const {
    const bool zeroes = engine_->options().fused.zero_grads;
    for (std::size_t i = 0; i < bound_.size(); ++i) {
      const py::array& grad = bound_[i];
      if (!is_same_memory(grad, bound_views_[i]))
        refuse_memory(grad, bound_views_[i], grad_name(i));
      if (zeroes && !grad.writeable()) check_updatable(grad, grad_name(i));
    }
  }

  void check_count(std::size_t count) const {
    if (count != params_.size())
      throw py::value_error("grads: expected " + std::to_string(params_.size()) +
                            " gradients, one for each parameter, got " + std::to_string(count));
  }

  py::array checked_grad(py::handle object, std::size_t index) const {
    const py::array& param = params_[index];
    if (is_numpy_array(object)) {
      // The common case, without creating any text: an array of the parameter's kind.
      const auto grad = py::reinterpret_borrow<py::array>(object);
      if (grad.dtype().ptr() == param.dtype().ptr() && is_plain(grad) &&
          grad.ndim() == param.ndim() &&
          std::equal(grad.shape(), grad.shape() + grad.ndim(), param.shape()) &&
          !engine_->overlaps(grad.data(), std::size_t(grad.nbytes())))
        return grad;
    }
    const std::string name = grad_name(index);
    if (is_row_grad(object)) refuse_row_grad(name);
    py::array grad = as_array(object, name);
    check_dtype(grad, param, name);
    check_shape(grad, param, name);
    check_overlap(grad, name);
    return grad;
  }

  /// The same, but throws if a step would have to copy it.
  py::array plain_grad(py::handle object, std::size_t index) const {
    py::array grad = checked_grad(object, index);
    if (!is_plain(grad))
      throw py::value_error(grad_name(index) + ": expected a C-contiguous, aligned array");
    return grad;
  }

  RowGrad checked_row_grad(py::handle object, std::size_t index) const {
    const std::string name = grad_name(index);
    if (!engine_->supports_row_grad()) refuse_row_grad(name, *engine_);
    RowGrad grad(object, params_[index], name);
    check_overlap(grad.values(), name);
    return grad;
  }

  void check_overlap(const py::array& grad, const std::string& name) const {
    if (is_plain(grad) && engine_->overlaps(grad.data(), std::size_t(grad.nbytes())))
      throw py::value_error(name + " overlaps a parameter or a state in memory");
  }

  std::unique_ptr<Optimizer> engine_;
  std::vector<py::array> user_arrays_;
  std::vector<py::array> params_;     // our own views, whose shape and dtype nobody changes
  std::vector<TorchTensor> tensors_;  // parameters of PyTorch
  std::vector<std::string> names_;
  std::vector<py::array> bound_;
  std::vector<py::array> bound_views_;  // our own views
  std::vector<const void*> bound_pointers_;
  std::vector<std::pair<std::size_t, py::object>> slots_;  // the slots of row-sparse gradients
  std::size_t elements_ = 0;
  std::mutex mutex_;
  std::atomic<pid_t> process_ = getpid();
};

}  // namespace

void bind_optimizer(py::module_& module) {
  py::class_<BoundOptimizer>(
      module, "Optimizer", "The engine's optimizer over arrays.",
      py::custom_type_setup([](PyHeapTypeObject* type) {
        type->ht_type.tp_flags |= Py_TPFLAGS_HAVE_GC;
        type->ht_type.tp_traverse = [](PyObject* self, visitproc visit, void* arg) {
          Py_VISIT(Py_TYPE(self));
          const bool is_made = py::detail::is_holder_constructed(self);
          return is_made ? py::cast<BoundOptimizer&>(py::handle(self)).visit(visit, arg) : 0;
        };
      }))
      .def(py::init([](const std::string& rule,
                       const std::vector<std::pair<Settings, NamedArrays>>& groups,
                       double clip_norm, double clip_value, bool skip_nonfinite, int num_threads,
                       StateFormat state_dtype, bool stochastic_rounding, std::uint64_t seed,
                       double ema_decay, bool bfloat16_copy, Master master_weights,
                       Modifier modifier, bool zero_grads) {
             return std::make_unique<BoundOptimizer>(
                 rule, groups,
                 Options{clip_norm,
                         clip_value,
                         skip_nonfinite,
                         num_threads,
                         {state_dtype, stochastic_rounding, seed, ema_decay, bfloat16_copy,
                          master_weights, modifier, zero_grads}});
           }),
           py::arg("rule"), py::arg("groups"), py::kw_only(), py::arg("clip_norm"),
           py::arg("clip_value"), py::arg("skip_nonfinite"), py::arg("num_threads"),
           py::arg("state_dtype") = StateFormat::full, py::arg("stochastic_rounding") = false,
           py::arg("seed") = 0, py::arg("ema_decay") = 0.0, py::arg("bfloat16_copy") = false,
           py::arg("master_weights") = Master::none, py::arg("modifier") = Modifier::none,
           py::arg("zero_grads") = false)
      .def("checked_grads", &BoundOptimizer::checked_grads, py::arg("grads"))
      .def("readable_grads", &BoundOptimizer::readable_grads, py::arg("grads"),
           py::arg("supports_row_grad") = false)
      .def("check_memory", &BoundOptimizer::check_memory)
      .def("engine", &BoundOptimizer::engine)
      .def("step", &BoundOptimizer::step, py::arg("grads"), py::arg("grad_scale"))
      .def("step_and_postpone", &BoundOptimizer::step_and_postpone, py::arg("grads"),
           py::arg("postponed"),
           "Makes a step that leaves the EMA and copies of some parameters to update_copies().")
      .def("update_copies", &BoundOptimizer::update_copies, py::arg("params"))
      .def("step_at", &BoundOptimizer::step_at, py::arg("addresses"), py::arg("grad_scale"))
      .def("update_hessian", &BoundOptimizer::update_hessian, py::arg("estimates"))
      .def("set_evaluating", &BoundOptimizer::set_evaluating, py::arg("evaluating"))
      .def_property_readonly("evaluating", &BoundOptimizer::evaluating)
      .def("get", &BoundOptimizer::get, py::arg("group"), py::arg("name"))
      .def("set", &BoundOptimizer::set, py::arg("group"), py::arg("name"), py::arg("value"))
      .def("set_groups", &BoundOptimizer::set_groups, py::arg("by_group"))
      .def("state", &BoundOptimizer::state, py::arg("index"))
      .def(
          "state_memory",
          [](const py::object& self, std::size_t index) {
            return self.cast<BoundOptimizer&>().state_memory(index, self);
          },
          py::arg("index"))
      .def("snapshot", &BoundOptimizer::snapshot)
      .def("load", &BoundOptimizer::load, py::arg("settings"), py::arg("states"), py::arg("steps"))
      .def("state_names", &BoundOptimizer::state_names, py::arg("group"))
      .def_property("steps", &BoundOptimizer::steps, &BoundOptimizer::set_steps)
      .def_property_readonly("params", &BoundOptimizer::params)
      .def_property_readonly("names", &BoundOptimizer::names);
}

}  // namespace pyoptim::bindings
