#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bindings/loss_arguments.hpp"
#include "bindings/matrices.hpp"
#include "linear/moments.hpp"
#include "linear/objective.hpp"
#include "solvers/objective.hpp"

namespace pyoptim::bindings {
namespace {

/// A dense array, or the tuple (data, indices, indptr, columns) of a CSR matrix.
Design design(const py::object& x) {
  if (py::isinstance<py::tuple>(x)) {
    const auto parts = x.cast<py::tuple>();
    if (parts.size() != 4)
      throw py::value_error("x: expected (data, indices, indptr, columns), got " +
                            std::to_string(parts.size()) + " items");
    return Design(csr_matrix(parts[0].cast<py::array>(), parts[1].cast<py::array>(),
                             parts[2].cast<py::array>(), parts[3].cast<std::size_t>()));
  }
  const auto array = x.cast<py::array>();
  const DType dtype = dtype_of(array, "x");
  if (dtype == DType::bfloat16) throw py::type_error("x: dtype must be float32 or float64");
  return Design(DenseMatrix{strided_matrix(array, "x", dtype), dtype});
}

/// A linear objective with the arrays that it reads, for Python and for solvers. Calls take turns.
class LinearFunction final : public Objective {
 public:
  LinearFunction(const py::object& x, const std::string& loss,
                 const std::vector<double>& parameters, const py::array& targets,
                 const std::optional<py::array>& weights, const std::optional<py::array>& offsets,
                 std::size_t outputs, bool intercept, double l2)
      : arrays_(py::make_tuple(x, targets, weights, offsets)),
        objective_(make(x, loss, parameters, targets, weights, offsets, outputs, intercept, l2)) {}

  [[nodiscard]] std::size_t size() const override { return objective_.size(); }

  double value_and_grad(const double* x, double* grad) override {
    const std::scoped_lock lock(mutex_);
    ++counts.value;
    ++counts.grad;
    if (score_hessian_.empty()) return objective_.value(x, grad);
    at_.assign(x, x + size());
    return objective_.value(x, grad, score_hessian_.data());
  }
  [[nodiscard]] bool has_hess_vec() const override { return true; }
  void hess_vec(const double* x, const double* v, double* out) override {
    const std::scoped_lock lock(mutex_);
    ++counts.hessian;
    objective_.hessian_product(score_hessian_at(x), v, out);
  }
  [[nodiscard]] bool has_hessian() const override { return true; }
  void hessian(const double* x, double* out) override {
    const std::scoped_lock lock(mutex_);
    ++counts.hessian;
    objective_.hessian(score_hessian_at(x), out);
  }

  double value(const py::array& coef, const std::optional<py::array>& grad,
               const std::optional<py::array>& score_hessian) {
    const double* const at = numbers(coef, "coef", objective_.size());
    double* const gradient = grad ? writable(*grad, "grad", objective_.size()) : nullptr;
    double* const second =
        score_hessian ? writable(*score_hessian, "score_hessian", objective_.score_hessian_size())
                      : nullptr;
    const py::gil_scoped_release released;
    const std::scoped_lock lock(mutex_);
    return objective_.value(at, gradient, second);
  }
  void hessian_product_in(const py::array& score_hessian, const py::array& v,
                          const py::array& out) {
    const double* const second =
        numbers(score_hessian, "score_hessian", objective_.score_hessian_size());
    const double* const from = numbers(v, "v", objective_.size());
    double* const to = writable(out, "out", objective_.size());
    if (from == to) throw py::value_error("out: overlaps v in memory");
    const py::gil_scoped_release released;
    const std::scoped_lock lock(mutex_);
    objective_.hessian_product(second, from, to);
  }
  void hessian_in(const py::array& score_hessian, const py::array& out) {
    const double* const second =
        numbers(score_hessian, "score_hessian", objective_.score_hessian_size());
    double* const to = writable(out, "out", objective_.size() * objective_.size());
    const py::gil_scoped_release released;
    const std::scoped_lock lock(mutex_);
    objective_.hessian(second, to);
  }
  void scores(const py::array& coef, const py::array& out) {
    const double* const at = numbers(coef, "coef", objective_.size());
    double* const to = writable(out, "out", objective_.score_hessian_size());
    const py::gil_scoped_release released;
    const std::scoped_lock lock(mutex_);
    objective_.scores(at, to);
  }

 private:
  static LinearObjective make(const py::object& x, const std::string& loss,
                              const std::vector<double>& parameters, const py::array& targets,
                              const std::optional<py::array>& weights,
                              const std::optional<py::array>& offsets, std::size_t outputs,
                              bool intercept, double l2) {
    const Design rows = design(x);
    LinearProblem problem{.loss = &loss_of(loss), .parameters = parameters};
    problem.outputs = outputs;
    problem.intercept = intercept;
    problem.l2 = l2;
    if (outputs < 1) throw py::value_error("outputs: expected at least 1, got 0");
    if (problem.loss->of_rows && targets.ndim() == 1)
      problem.labels = per_row<std::int64_t>(targets, "targets", "int64 labels", rows.rows());
    else
      problem.targets = numbers(targets, "targets", rows.rows() * outputs);
    if (weights)
      problem.weights = per_row<double>(*weights, "sample_weight", "float64 weights", rows.rows());
    if (offsets) problem.offsets = numbers(*offsets, "offset", rows.rows() * outputs);
    return LinearObjective(rows, std::move(problem));
  }

  static const double* numbers(const py::array& array, const char* name, std::size_t size) {
    if (!py::isinstance<py::array_t<double>>(array) || std::size_t(array.size()) != size ||
        !is_plain(array))
      throw py::value_error(std::string(name) + ": expected " + std::to_string(size) +
                            " contiguous float64 numbers, got shape " + shape_text(array) + " of " +
                            dtype_text(array.dtype()));
    return static_cast<const double*>(array.data());
  }
  static double* writable(const py::array& array, const char* name, std::size_t size) {
    const double* const data = numbers(array, name, size);
    check_updatable(array, name);
    return const_cast<double*>(data);
  }

  /// The second derivatives at x. Once they are needed, value_and_grad() computes them as well.
  const double* score_hessian_at(const double* x) {
    if (score_hessian_.empty()) score_hessian_.resize(objective_.score_hessian_size());
    if (at_.size() != size() || !std::equal(at_.begin(), at_.end(), x)) {
      at_.clear();
      objective_.value(x, nullptr, score_hessian_.data());
      at_.assign(x, x + size());
    }
    return score_hessian_.data();
  }

  py::tuple arrays_;
  LinearObjective objective_;
  std::vector<double> score_hessian_, at_;
  std::mutex mutex_;
};

void moments(const py::object& x, const std::optional<py::array>& weights, const py::array& means,
             const py::array& variances) {
  const Design rows = design(x);
  const double* const of_rows =
      weights ? per_row<double>(*weights, "sample_weight", "float64 weights", rows.rows())
              : nullptr;
  for (const py::array& out : {means, variances}) {
    if (!py::isinstance<py::array_t<double>>(out) || !is_plain(out) ||
        std::size_t(out.size()) != rows.columns())
      throw py::value_error("expected a contiguous float64 number for each column of x");
    check_updatable(out, "out");
  }
  const py::gil_scoped_release released;
  column_moments(rows, of_rows, static_cast<double*>(const_cast<void*>(means.data())),
                 static_cast<double*>(const_cast<void*>(variances.data())));
}

}  // namespace

void bind_linear(py::module_& module) {
  py::class_<LinearFunction, Objective>(
      module, "LinearObjective",
      "The mean loss of a linear model as a function of its coefficients.")
      .def(py::init<const py::object&, const std::string&, const std::vector<double>&,
                    const py::array&, const std::optional<py::array>&,
                    const std::optional<py::array>&, std::size_t, bool, double>(),
           py::arg("x"), py::arg("loss"), py::arg("parameters"), py::arg("targets"),
           py::arg("weights").none(true), py::arg("offsets").none(true), py::arg("outputs"),
           py::arg("intercept"), py::arg("l2"))
      .def_property_readonly("size", &LinearFunction::size, "The number of coefficients.")
      .def("value", &LinearFunction::value, py::arg("coef"), py::arg("grad").none(true),
           py::arg("score_hessian").none(true),
           "The value; `grad` and `score_hessian` are written unless they are None.")
      .def("hessian_product", &LinearFunction::hessian_product_in, py::arg("score_hessian"),
           py::arg("v"), py::arg("out"), "out = H @ v")
      .def("hessian", &LinearFunction::hessian_in, py::arg("score_hessian"), py::arg("out"),
           "out = H")
      .def("scores", &LinearFunction::scores, py::arg("coef"), py::arg("out"),
           "out = x @ coef + intercept + offset");
  module.def("column_moments", &moments, py::arg("x"), py::arg("weights").none(true),
             py::arg("means"), py::arg("variances"),
             "Weighted means and variances of the columns of x.");
}

}  // namespace pyoptim::bindings
