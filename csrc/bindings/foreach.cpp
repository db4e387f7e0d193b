#include "foreach/foreach.hpp"

#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/arrays.hpp"
#include "core/threads.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim::bindings {
namespace {

using Arrays = std::vector<py::array>;

/// Checks lists of arrays against each other.
class Lists {
 public:
  /// `like` is the list that others are compared with, of the parameters' dtypes.
  Lists(const Arrays& like, const char* name) : like_(like), name_(name) {
    for (std::size_t i = 0; i < like.size(); ++i)
      tensors_.push_back({{nullptr, nullptr, nullptr, nullptr, std::size_t(like[i].size())},
                          dtype_of(like[i], at(name, i))});
  }

  /// Adds a read-only list of the same dtypes.
  Lists& read(const Arrays& arrays, const char* name, const void* ForeachSpan::*member) {
    check(arrays, name, false);
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      if (!is_plain(arrays[i]))
        throw py::value_error(at(name, i) + ": expected a C-contiguous, aligned array");
      tensors_[i].part.*member = arrays[i].data();
    }
    return *this;
  }

  /// Adds a writable list of the same dtypes or, for `wide`, of the dtypes of states.
  Lists& write(const Arrays& arrays, const char* name, void* ForeachSpan::*member) {
    check(arrays, name, member == &ForeachSpan::wide);
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      check_updatable(arrays[i], at(name, i));
      tensors_[i].part.*member = const_cast<void*>(arrays[i].data());
    }
    return *this;
  }

  [[nodiscard]] const std::vector<ForeachTensor>& tensors() const { return tensors_; }

 private:
  static std::string at(const char* name, std::size_t index) {
    return std::string(name) + "[" + std::to_string(index) + "]";
  }

  void check(const Arrays& arrays, const char* name, bool wide) const {
    if (arrays.size() != like_.size())
      throw py::value_error(std::string(name) + ": expected " + std::to_string(like_.size()) +
                            " arrays, as many as " + name_ + ", got " +
                            std::to_string(arrays.size()));
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      check_shape(arrays[i], like_[i], at(name, i));
      const DType wanted = wide ? state_dtype(tensors_[i].dtype) : tensors_[i].dtype;
      if (dtype_of(arrays[i], at(name, i)) != wanted)
        throw py::type_error(at(name, i) + ": expected dtype " +
                             std::string(py::str(numpy_dtype(wanted))) + ", got " +
                             dtype_text(arrays[i].dtype()));
    }
  }

  const Arrays& like_;
  const char* name_;
  std::vector<ForeachTensor> tensors_;
};

/// Runs work(), without the GIL if there are many elements.
template <class Work>
auto run(const std::vector<ForeachTensor>& tensors, const Work& work) {
  std::size_t elements = 0;
  for (const ForeachTensor& tensor : tensors) elements += tensor.part.size;
  if (elements < serial_below) return work();
  const py::gil_scoped_release released;
  return work();
}

void update(ForeachUpdate ForeachKernels::*operation, const Lists& lists, double a, double b,
            int threads) {
  run(lists.tensors(), [&] { foreach_update(operation, lists.tensors(), a, b, threads); });
}

/// Binds an operation on sums and gradients, with a weight.
void bind_sum(py::module_& module, const char* name, ForeachUpdate ForeachKernels::*operation,
              const char* doc) {
  module.def(
      name,
      [operation](const Arrays& sums, const Arrays& grads, double weight, int num_threads) {
        update(operation,
               Lists(grads, "grads")
                   .read(grads, "grads", &ForeachSpan::grad)
                   .write(sums, "sums", &ForeachSpan::wide),
               weight, 0, num_threads);
      },
      py::arg("sums"), py::arg("grads"), py::arg("weight"), py::arg("num_threads"), doc);
}

/// Binds an operation on means and parameters, with a weight.
void bind_mean(py::module_& module, const char* name, ForeachUpdate ForeachKernels::*operation,
               const char* doc) {
  module.def(
      name,
      [operation](const Arrays& means, const Arrays& params, double weight, int num_threads) {
        update(operation,
               Lists(params, "params")
                   .write(params, "params", &ForeachSpan::param)
                   .write(means, "means", &ForeachSpan::wide),
               weight, 0, num_threads);
      },
      py::arg("means"), py::arg("params"), py::arg("weight"), py::arg("num_threads"), doc);
}

/// Binds a copy between means and parameters.
void bind_copy(py::module_& module, const char* name, ForeachUpdate ForeachKernels::*operation,
               const char* doc) {
  module.def(
      name,
      [operation](const Arrays& means, const Arrays& params, int num_threads) {
        update(operation,
               Lists(params, "params")
                   .write(params, "params", &ForeachSpan::param)
                   .write(means, "means", &ForeachSpan::wide),
               0, 0, num_threads);
      },
      py::arg("means"), py::arg("params"), py::arg("num_threads"), doc);
}

void round_scaled(const Arrays& sums, const Arrays& out, double factor, int num_threads) {
  update(&ForeachKernels::round_scaled,
         Lists(out, "out")
             .write(out, "out", &ForeachSpan::copy)
             .write(sums, "sums", &ForeachSpan::wide),
         factor, 0, num_threads);
}

void scale(const Arrays& out, const Arrays& grads, double factor, int num_threads) {
  update(&ForeachKernels::scale,
         Lists(out, "out")
             .write(out, "out", &ForeachSpan::copy)
             .read(grads, "grads", &ForeachSpan::grad),
         factor, 0, num_threads);
}

void perturb(const Arrays& params, const Arrays& grads, const Arrays& copies, double factor,
             bool adaptive, double eta, int num_threads) {
  update(adaptive ? &ForeachKernels::perturb_adaptive : &ForeachKernels::perturb,
         Lists(params, "params")
             .write(params, "params", &ForeachSpan::param)
             .read(grads, "grads", &ForeachSpan::grad)
             .write(copies, "copies", &ForeachSpan::copy),
         factor, eta, num_threads);
}

double norm(const Arrays& params, const Arrays& grads, bool adaptive, double eta, int num_threads) {
  const Lists lists = Lists(params, "params")
                          .write(params, "params", &ForeachSpan::param)
                          .read(grads, "grads", &ForeachSpan::grad);
  return run(lists.tensors(),
             [&] { return gradient_norm(lists.tensors(), adaptive, eta, num_threads); });
}

void soft_threshold(const Arrays& params, double threshold, double factor, int num_threads) {
  update(&ForeachKernels::soft_threshold,
         Lists(params, "params").write(params, "params", &ForeachSpan::param), threshold, factor,
         num_threads);
}

void orthant(const Arrays& params, const Arrays& orthants, int num_threads) {
  update(&ForeachKernels::project_orthant,
         Lists(params, "params")
             .write(params, "params", &ForeachSpan::param)
             .write(orthants, "orthants", &ForeachSpan::copy),
         0, 0, num_threads);
}

double penalty(const Arrays& params, const Arrays& grads, const Arrays& orthants, double l1,
               double l2, int num_threads) {
  const Lists sums = Lists(params, "params").write(grads, "grads", &ForeachSpan::copy);
  const Lists lists = Lists(params, "params")
                          .write(params, "params", &ForeachSpan::param)
                          .write(orthants, "orthants", &ForeachSpan::copy);
  std::vector<void*> out;
  for (const ForeachTensor& tensor : sums.tensors()) out.push_back(tensor.part.copy);
  return run(lists.tensors(), [&] { return penalize(lists.tensors(), out, l1, l2, num_threads); });
}

/// The units of arrays: one for a vector or a number, else one for each index of the first or last
/// axis.
std::vector<Units> units_of(const Arrays& params, const Lists& lists, bool last_axis) {
  std::vector<Units> units;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const py::array& param = params[i];
    const ForeachTensor& tensor = lists.tensors()[i];
    if (tensor.part.size == 0) continue;
    const bool whole = param.ndim() <= 1;
    const std::size_t count =
        whole ? 1 : std::size_t(last_axis ? param.shape(param.ndim() - 1) : param.shape(0));
    const std::size_t each = tensor.part.size / count;
    if (last_axis && !whole)
      units.push_back({tensor, each, count, true});
    else
      units.push_back({tensor, count, each, false});
  }
  return units;
}

void clip(const Arrays& params, const Arrays& grads, const Arrays& out, bool last_axis, double clip,
          double eps, double scale, int num_threads) {
  const Lists lists = Lists(params, "params")
                          .write(params, "params", &ForeachSpan::param)
                          .read(grads, "grads", &ForeachSpan::grad)
                          .write(out, "out", &ForeachSpan::copy);
  const std::vector<Units> units = units_of(params, lists, last_axis);
  run(lists.tensors(), [&] { clip_units(units, clip, eps, scale, num_threads); });
}

void limit(const Arrays& params, bool last_axis, double max_norm, int num_threads) {
  const Lists lists = Lists(params, "params").write(params, "params", &ForeachSpan::param);
  const std::vector<Units> units = units_of(params, lists, last_axis);
  run(lists.tensors(), [&] { limit_norms(units, max_norm, num_threads); });
}

}  // namespace

void bind_foreach(py::module_& module) {
  bind_sum(module, "set_scaled", &ForeachKernels::set_scaled, "sums = weight * grads.");
  bind_sum(module, "add_scaled", &ForeachKernels::add_scaled, "sums += weight * grads.");
  bind_copy(module, "load_params", &ForeachKernels::load_params, "means = params.");
  bind_copy(module, "store_params", &ForeachKernels::store_params, "params = means.");
  bind_mean(module, "lerp", &ForeachKernels::lerp, "means += weight * (params - means).");
  bind_mean(module, "lerp_and_store", &ForeachKernels::lerp_and_store,
            "means += weight * (params - means), then params = means.");
  module.def("round_scaled", &round_scaled, py::arg("sums"), py::arg("out"), py::arg("factor"),
             py::arg("num_threads"), "out = factor * sums.");
  module.def("scale", &scale, py::arg("out"), py::arg("grads"), py::arg("factor"),
             py::arg("num_threads"), "out = factor * grads; they may be the same.");
  module.def(
      "perturb", &perturb, py::arg("params"), py::arg("grads"), py::arg("copies"),
      py::arg("factor"), py::arg("adaptive"), py::arg("eta"), py::arg("num_threads"),
      "copies = params, then params += factor * grads; if adaptive, factor is multiplied by\n"
      "(|params| + eta)^2.");
  module.def("gradient_norm", &norm, py::arg("params"), py::arg("grads"), py::arg("adaptive"),
             py::arg("eta"), py::arg("num_threads"),
             "Returns the norm of all grads together; if adaptive, of (|params| + eta) * grads.");
  module.def("clip_units", &clip, py::arg("params"), py::arg("grads"), py::arg("out"),
             py::arg("last_axis"), py::arg("clip"), py::arg("eps"), py::arg("scale"),
             py::arg("num_threads"),
             "out = grads, with each unit scaled down to the norm clip * max(|param|, eps).");
  module.def("limit_norms", &limit, py::arg("params"), py::arg("last_axis"), py::arg("max_norm"),
             py::arg("num_threads"), "Scales each unit of params down to the norm max_norm.");
  module.def("soft_threshold", &soft_threshold, py::arg("params"), py::arg("threshold"),
             py::arg("factor"), py::arg("num_threads"),
             "params = factor * sign(params) * max(|params| - threshold, 0).");
  module.def("project_orthant", &orthant, py::arg("params"), py::arg("orthants"),
             py::arg("num_threads"), "params = 0 where their signs differ from orthants.");
  module.def("penalize", &penalty, py::arg("params"), py::arg("grads"), py::arg("orthants"),
             py::arg("l1"), py::arg("l2"), py::arg("num_threads"),
             "Returns sum(l1 |p| + l2/2 p^2) and adds its smallest subgradient to grads; orthants\n"
             "are the signs that params have, or will get if they are 0.");
}

}  // namespace pyoptim::bindings
