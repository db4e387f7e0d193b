#include "solvers/solve.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/python_objective.hpp"
#include "solvers/problems/problems.hpp"

namespace pyoptim::bindings {
namespace {

using Numbers = std::vector<std::pair<std::string, double>>;

LineSearch line_search_of(const std::string& name) {
  if (name == "strong_wolfe") return LineSearch::strong_wolfe;
  if (name == "hager_zhang") return LineSearch::hager_zhang;
  if (name == "armijo") return LineSearch::armijo;
  if (name == "fixed") return LineSearch::fixed;
  if (name == "decay") return LineSearch::decay;
  throw py::value_error(
      "line_search: expected 'strong_wolfe', 'hager_zhang', 'armijo', 'fixed' or 'decay', got '" +
      name + "'");
}

void set_number(SolverOptions& options, const std::string& name, double value) {
  struct Real {
    const char* name;
    double SolverOptions::*member;
  };
  struct Whole {
    const char* name;
    std::int64_t SolverOptions::*member;
  };
  static constexpr Real reals[] = {
      {"gtol", &SolverOptions::gtol},     {"ftol", &SolverOptions::ftol},
      {"c1", &SolverOptions::c1},         {"c2", &SolverOptions::c2},
      {"lr", &SolverOptions::lr},         {"decay", &SolverOptions::decay},
      {"radius", &SolverOptions::radius}, {"max_radius", &SolverOptions::max_radius},
      {"eta", &SolverOptions::eta},
  };
  static constexpr Whole wholes[] = {
      {"patience", &SolverOptions::patience}, {"maxiter", &SolverOptions::maxiter},
      {"maxfun", &SolverOptions::maxfun},     {"maxls", &SolverOptions::maxls},
      {"memory", &SolverOptions::memory},     {"max_inner", &SolverOptions::max_inner},
  };
  for (const Real& real : reals)
    if (name == real.name) return void(options.*real.member = value);
  for (const Whole& whole : wholes)
    if (name == whole.name) return void(options.*whole.member = std::int64_t(value));
  if (name != "num_threads") throw py::value_error("options: unknown option '" + name + "'");
  options.threads = int(value);
}

/// Calls a Python function after each iteration, and lets signals through.
class PythonMonitor final : public Monitor {
 public:
  PythonMonitor(py::object callback, std::size_t size)
      : callback_(std::move(callback)), size_(size) {}

  bool stops(const Iterate& iterate) override {
    const py::gil_scoped_acquire acquired;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (callback_.is_none()) return false;
    return py::cast<bool>(callback_(float64_copy(iterate.x, size_), iterate.value));
  }

 private:
  py::object callback_;
  std::size_t size_;
};

/// A function of C or of another compiled language, called without the GIL.
class NativeFunction final : public Objective {
 public:
  using Function = double (*)(std::size_t size, const double* x, double* grad, void* data);

  NativeFunction(std::size_t size, std::uintptr_t function, std::uintptr_t data, py::object owner)
      : size_(size),
        function_(reinterpret_cast<Function>(function)),
        data_(reinterpret_cast<void*>(data)),
        owner_(std::move(owner)) {}

  [[nodiscard]] std::size_t size() const override { return size_; }
  double value_and_grad(const double* x, double* grad) override {
    ++counts.value;
    ++counts.grad;
    return function_(size_, x, grad, data_);
  }

 private:
  std::size_t size_;
  Function function_;
  void* data_;
  py::object owner_;  // keeps the function alive
};

/// A solver and the arrays its bounds are in.
class PySolver {
 public:
  PySolver(const std::string& method, std::size_t size, const std::string& line_search,
           const Numbers& numbers, const std::optional<Float64Array>& low,
           const std::optional<Float64Array>& high, const std::string& rule,
           const Numbers& hyperparameters)
      : method_(rule.empty() ? method : rule), size_(size) {
    SolverOptions options;
    options.rule = rule;
    options.hyperparameters = hyperparameters;
    options.line_search = line_search_of(line_search);
    for (const auto& [name, value] : numbers) set_number(options, name, value);
    if (low && high) {
      low_.assign(low->data(), low->data() + low->size());
      high_.assign(high->data(), high->data() + high->size());
      if (low_.size() != size || high_.size() != size)
        throw py::value_error("bounds: expected one pair for each variable");
      options.low = low_.data();
      options.high = high_.data();
    }
    solver_ = std::make_unique<Solver>(method, size, options);
  }

  int run(Objective& objective, const std::optional<Float64Array>& x0, const py::object& callback) {
    if (objective.size() != size_ || (x0 && std::size_t(x0->size()) != size_))
      throw py::value_error("x0: expected " + std::to_string(objective.size()) + " elements, got " +
                            std::to_string(x0 ? std::size_t(x0->size()) : size_));
    PythonMonitor monitor(callback, size_);
    const double* const data = x0 ? x0->data() : nullptr;
    const py::gil_scoped_release released;
    return int(solver_->run(objective, data, &monitor));
  }

  [[nodiscard]] py::dict state() const {
    const SolverState state = solver_->state();
    py::dict dict;
    dict["method"] = method_;
    for (const auto& [name, value] : state.numbers) {
      if (const auto* whole = std::get_if<std::int64_t>(&value))
        dict[name.c_str()] = *whole;
      else
        dict[name.c_str()] = std::get<double>(value);
    }
    for (const SolverState::Array& array : state.arrays) {
      py::array_t<double> copy(array.shape);
      std::copy(array.values.begin(), array.values.end(), copy.mutable_data());
      dict[array.name.c_str()] = copy;
    }
    return dict;
  }

  void load(const py::dict& dict) {
    SolverState state;
    for (const auto& [key, value] : dict) {
      const auto name = py::cast<std::string>(key);
      if (name == "method") {
        if (!py::isinstance<py::str>(value) || py::cast<std::string>(value) != method_)
          throw py::value_error("state: expected the state of " + method_ + ", got that of " +
                                std::string(py::str(value)));
      } else if (PyLong_Check(value.ptr())) {
        state.numbers.emplace_back(name, py::cast<std::int64_t>(value));
      } else if (PyFloat_Check(value.ptr())) {
        state.numbers.emplace_back(name, py::cast<double>(value));
      } else {
        const auto array = Float64Array::ensure(value);
        if (!array) {
          PyErr_Clear();
          throw py::type_error("state: expected a number or an array for '" + name + "'");
        }
        std::vector<std::size_t> shape(array.shape(), array.shape() + array.ndim());
        state.arrays.push_back({name, shape, {array.data(), array.data() + array.size()}});
      }
    }
    solver_->load(state);
  }

  [[nodiscard]] py::dict result() const {
    const Iterate best = solver_->best();
    const Counts& counts = solver_->counts();
    py::dict dict;
    dict["message"] = solver_->message();
    dict["fun"] = best.value;
    dict["jac"] = float64_copy(best.grad, size_);
    dict["nfev"] = counts.value;
    dict["njev"] = counts.grad;
    dict["nhev"] = counts.hessian;
    dict["nit"] = best.iterations;
    dict["x"] = float64_copy(best.x, size_);
    return dict;
  }

 private:
  std::string method_;
  std::size_t size_;
  std::vector<double> low_, high_;
  std::unique_ptr<Solver> solver_;
};

}  // namespace

void bind_solvers(py::module_& module) {
  py::class_<Objective>(module, "Objective", "A function that solvers minimize.")
      .def_property_readonly("size", &Objective::size)
      .def(
          "value_and_grad",
          [](Objective& objective, const Float64Array& x) {
            if (std::size_t(x.size()) != objective.size())
              throw py::value_error("x: expected " + std::to_string(objective.size()) +
                                    " elements, got " + std::to_string(x.size()));
            py::array_t<double> grad(x.size());
            double* const to = grad.mutable_data();
            double value = 0;
            {
              const py::gil_scoped_release released;
              value = objective.value_and_grad(x.data(), to);
            }
            return py::make_tuple(value, grad);
          },
          py::arg("x"), "The value and the gradient at x.");
  py::class_<PythonObjective, Objective>(module, "PythonObjective", "A function of Python.")
      .def(py::init<std::size_t, py::object, py::object, py::object, py::object, py::tuple, int,
                    std::optional<Float64Array>, std::optional<Float64Array>>(),
           py::arg("size"), py::arg("fun"), py::arg("jac"), py::arg("hess"), py::arg("hessp"),
           py::arg("args"), py::arg("differences"), py::arg("low"), py::arg("high"));
  py::class_<NativeFunction, Objective>(module, "NativeFunction", "A compiled function.")
      .def(py::init<std::size_t, std::uintptr_t, std::uintptr_t, py::object>(), py::arg("size"),
           py::arg("function"), py::arg("data"), py::arg("owner"));
  py::class_<PySolver>(module, "Solver", "A method of minimization, and its state.")
      .def(py::init<const std::string&, std::size_t, const std::string&, const Numbers&,
                    const std::optional<Float64Array>&, const std::optional<Float64Array>&,
                    const std::string&, const Numbers&>(),
           py::arg("method"), py::arg("size"), py::arg("line_search"), py::arg("options"),
           py::arg("low"), py::arg("high"), py::arg("rule") = "",
           py::arg("hyperparameters") = Numbers())
      .def("run", &PySolver::run, py::arg("objective"), py::arg("x0"), py::arg("callback"))
      .def("state", &PySolver::state)
      .def("load", &PySolver::load, py::arg("state"))
      .def("result", &PySolver::result);
  py::class_<Problem, Objective>(module, "Problem", "A native test problem.")
      .def(py::init(&make_problem), py::arg("name"))
      .def_static("rosenbrock", &make_rosenbrock, py::arg("size"), py::arg("num_threads") = 0,
                  "The Rosenbrock function of any number of variables.")
      .def_property_readonly("x0",
                             [](const Problem& problem) {
                               py::array_t<double> x{py::ssize_t(problem.size())};
                               problem.start(x.mutable_data());
                               return x;
                             })
      .def(
          "hessian",
          [](Problem& problem, const Float64Array& x) {
            if (!problem.has_hessian()) throw py::value_error("the problem has no Hessian");
            if (std::size_t(x.size()) != problem.size())
              throw py::value_error("x: expected " + std::to_string(problem.size()) + " elements");
            const auto n = py::ssize_t(problem.size());
            py::array_t<double> matrix({n, n});
            problem.hessian(x.data(), matrix.mutable_data());
            return matrix;
          },
          py::arg("x"))
      .def(
          "hess_vec",
          [](Problem& problem, const Float64Array& x, const Float64Array& v) {
            if (!problem.has_hess_vec()) throw py::value_error("the problem has no Hessian");
            if (std::size_t(x.size()) != problem.size() || x.size() != v.size())
              throw py::value_error("x: expected " + std::to_string(problem.size()) + " elements");
            py::array_t<double> product{py::ssize_t(problem.size())};
            problem.hess_vec(x.data(), v.data(), product.mutable_data());
            return product;
          },
          py::arg("x"), py::arg("v"));
  module.def("problem_names", &problem_names,
             "The names of the test problems of More, Garbow and Hillstrom.");
  module.def("solver_methods", &Solver::methods, "The names of all methods of minimization.");
}

}  // namespace pyoptim::bindings
