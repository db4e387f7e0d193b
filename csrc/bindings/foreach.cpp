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

/// Checks lists of arrays that belong together, one by one.
class Lists {
 public:
  /// The list that the others are compared with: of the parameters' dtype.
  Lists(const Arrays& like, const char* name) : like_(like), name_(name) {
    for (std::size_t i = 0; i < like.size(); ++i)
      vectors_.push_back({{nullptr, nullptr, nullptr, nullptr, std::size_t(like[i].size())},
                          dtype_of(like[i], at(name, i))});
  }

  /// A list of the same dtypes, read only.
  Lists& read(const Arrays& arrays, const char* name, const void* ForeachSpan::*member) {
    check(arrays, name, false);
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      if (!is_plain(arrays[i]))
        throw py::value_error(at(name, i) + ": expected a C-contiguous, aligned array");
      vectors_[i].part.*member = arrays[i].data();
    }
    return *this;
  }

  /// A list to write into: of the same dtypes, or, for `wide`, of the states' dtypes.
  Lists& write(const Arrays& arrays, const char* name, void* ForeachSpan::*member) {
    check(arrays, name, member == &ForeachSpan::wide);
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      check_updatable(arrays[i], at(name, i));
      vectors_[i].part.*member = const_cast<void*>(arrays[i].data());
    }
    return *this;
  }

  [[nodiscard]] const std::vector<Vector>& vectors() const { return vectors_; }

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
      const DType wanted = wide ? state_dtype(vectors_[i].dtype) : vectors_[i].dtype;
      if (dtype_of(arrays[i], at(name, i)) != wanted)
        throw py::type_error(at(name, i) + ": expected dtype " +
                             std::string(py::str(numpy_dtype(wanted))) + ", got " +
                             dtype_text(arrays[i].dtype()));
    }
  }

  const Arrays& like_;
  const char* name_;
  std::vector<Vector> vectors_;
};

/// Runs work(): long work without the GIL.
template <class Work>
auto run(const std::vector<Vector>& vectors, const Work& work) {
  std::size_t elements = 0;
  for (const Vector& vector : vectors) elements += vector.part.size;
  if (elements < serial_below) return work();
  const py::gil_scoped_release released;
  return work();
}

void update(ForeachUpdate ForeachKernels::*operation, const Lists& lists, double a, double b,
            int threads) {
  run(lists.vectors(), [&] { update_vectors(operation, lists.vectors(), a, b, threads); });
}

/// Binds an operation on wide arrays and gradients, with a factor.
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

/// Binds an operation on wide arrays and parameters, with a weight.
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

/// Binds a copy between wide arrays and parameters.
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

void narrow(const Arrays& sums, const Arrays& out, double factor, int num_threads) {
  update(&ForeachKernels::narrow,
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

void ascend(const Arrays& params, const Arrays& grads, const Arrays& copies, double factor,
            bool adaptive, double eta, int num_threads) {
  update(adaptive ? &ForeachKernels::ascend_adaptive : &ForeachKernels::ascend,
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
  return run(lists.vectors(),
             [&] { return gradient_norm(lists.vectors(), adaptive, eta, num_threads); });
}

void shrink(const Arrays& params, double threshold, double factor, int num_threads) {
  update(&ForeachKernels::shrink,
         Lists(params, "params").write(params, "params", &ForeachSpan::param), threshold, factor,
         num_threads);
}

void orthant(const Arrays& params, const Arrays& orthants, int num_threads) {
  update(&ForeachKernels::keep_orthant,
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
  for (const Vector& vector : sums.vectors()) out.push_back(vector.part.copy);
  return run(lists.vectors(), [&] { return penalize(lists.vectors(), out, l1, l2, num_threads); });
}

/// A vector is one unit, as is a number. Other arrays have one for each index of their first axis,
/// or of their last one.
std::vector<Units> units_of(const Arrays& params, const Lists& lists, bool last_axis) {
  std::vector<Units> units;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const py::array& param = params[i];
    const Vector& vector = lists.vectors()[i];
    if (vector.part.size == 0) continue;
    const bool whole = param.ndim() <= 1;
    const std::size_t count =
        whole ? 1 : std::size_t(last_axis ? param.shape(param.ndim() - 1) : param.shape(0));
    const std::size_t each = vector.part.size / count;
    if (last_axis && !whole)
      units.push_back({vector, each, count, true});
    else
      units.push_back({vector, count, each, false});
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
  run(lists.vectors(), [&] { clip_units(units, clip, eps, scale, num_threads); });
}

void limit(const Arrays& params, bool last_axis, double most, int num_threads) {
  const Lists lists = Lists(params, "params").write(params, "params", &ForeachSpan::param);
  const std::vector<Units> units = units_of(params, lists, last_axis);
  run(lists.vectors(), [&] { limit_norms(units, most, num_threads); });
}

}  // namespace

void bind_vectors(py::module_& module) {
  bind_sum(module, "weigh", &ForeachKernels::weigh, "sums = weight * grads.");
  bind_sum(module, "add_weighed", &ForeachKernels::add_weighed, "sums += weight * grads.");
  bind_copy(module, "take", &ForeachKernels::take, "means = params.");
  bind_copy(module, "give", &ForeachKernels::give, "params = means.");
  bind_mean(module, "lerp", &ForeachKernels::lerp, "means += weight * (params - means).");
  bind_mean(module, "pull", &ForeachKernels::pull,
            "means += weight * (params - means), then params = means.");
  module.def("narrow", &narrow, py::arg("sums"), py::arg("out"), py::arg("factor"),
             py::arg("num_threads"), "out = factor * sums.");
  module.def("scale", &scale, py::arg("out"), py::arg("grads"), py::arg("factor"),
             py::arg("num_threads"), "out = factor * grads; they may be the same.");
  module.def("ascend", &ascend, py::arg("params"), py::arg("grads"), py::arg("copies"),
             py::arg("factor"), py::arg("adaptive"), py::arg("eta"), py::arg("num_threads"),
             "copies = params, then params += factor * grads, or, if adaptive, that times\n"
             "(|params| + eta)^2.");
  module.def("gradient_norm", &norm, py::arg("params"), py::arg("grads"), py::arg("adaptive"),
             py::arg("eta"), py::arg("num_threads"),
             "Norm of all grads together, or, if adaptive, of (|params| + eta) * grads.");
  module.def("clip_units", &clip, py::arg("params"), py::arg("grads"), py::arg("out"),
             py::arg("last_axis"), py::arg("clip"), py::arg("eps"), py::arg("scale"),
             py::arg("num_threads"),
             "out = grads, scaled down unit by unit to clip * max(|param|, eps).");
  module.def("limit_norms", &limit, py::arg("params"), py::arg("last_axis"), py::arg("most"),
             py::arg("num_threads"), "Scales params down unit by unit to the norm `most`.");
  module.def("shrink", &shrink, py::arg("params"), py::arg("threshold"), py::arg("factor"),
             py::arg("num_threads"),
             "params = factor * sign(params) * max(|params| - threshold, 0).");
  module.def("keep_orthant", &orthant, py::arg("params"), py::arg("orthants"),
             py::arg("num_threads"), "params = 0 where their signs are not those of orthants.");
  module.def("penalize", &penalty, py::arg("params"), py::arg("grads"), py::arg("orthants"),
             py::arg("l1"), py::arg("l2"), py::arg("num_threads"),
             "Returns sum(l1 |p| + l2/2 p^2) and adds its smallest subgradient to grads; orthants\n"
             "are the signs that params have, or will get.");
}

}  // namespace pyoptim::bindings
