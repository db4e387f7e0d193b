#include "solvers/solve.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "solvers/method.hpp"

namespace pyoptim {
namespace {

struct MethodEntry {
  const char* name;
  std::unique_ptr<Method> (*make)(std::size_t size, const SolverOptions& options);
};

constexpr MethodEntry entries[] = {
    {"gradient_descent", make_gradient_descent},
    {"lbfgs", make_lbfgs},
    {"newton", make_newton},
    {"newton_cg", make_newton_cg},
    {"optimizer", make_optimizer_steps},
    {"trust_region", make_trust_region},
};

std::unique_ptr<Method> make(const std::string& name, std::size_t size,
                             const SolverOptions& options) {
  for (const MethodEntry& entry : entries)
    if (name == entry.name) return entry.make(size, options);
  std::string names;
  for (const MethodEntry& entry : entries)
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  throw std::invalid_argument("method: expected one of " + names + ", got '" + name + "'");
}

}  // namespace

double SolverState::number(const std::string& name) const {
  for (const auto& [key, value] : numbers)
    if (key == name) {
      if (const auto* whole = std::get_if<std::int64_t>(&value)) return double(*whole);
      return std::get<double>(value);
    }
  throw std::invalid_argument("state: missing the number '" + name + "'");
}

std::int64_t SolverState::count(const std::string& name) const {
  for (const auto& [key, value] : numbers)
    if (key == name)
      if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  throw std::invalid_argument("state: missing the whole number '" + name + "'");
}

const std::vector<double>& SolverState::array(const std::string& name, std::size_t size) const {
  for (const Array& array : arrays)
    if (array.name == name) {
      if (array.values.size() == size) return array.values;
      throw std::invalid_argument("state: expected " + std::to_string(size) + " elements in '" +
                                  name + "', got " + std::to_string(array.values.size()));
    }
  throw std::invalid_argument("state: missing the array '" + name + "'");
}

Monitor::~Monitor() = default;

Buffers::Buffers(std::size_t size, std::size_t count) {
  Layout layout;
  std::vector<std::size_t> offsets;
  for (std::size_t i = 0; i < count; ++i) offsets.push_back(layout.place(size * sizeof(double)));
  arena_ = std::make_unique<Arena>(layout.size());
  for (const std::size_t offset : offsets)
    data_.push_back(reinterpret_cast<double*>(arena_->data() + offset));
}

Point::Point(std::size_t size, const SolverOptions& settings, std::size_t max_sums)
    : options(settings),
      vectors(size, settings.threads, max_sums),
      buffers(size, settings.low != nullptr ? 6 : 5),
      x(buffers[0]),
      grad(buffers[1]),
      trial_x(buffers[2]),
      trial_grad(buffers[3]),
      direction(buffers[4]),
      projected_grad(settings.low != nullptr ? buffers[5] : nullptr) {}

void Point::evaluate_trial() {
  trial_value = objective->value_and_grad(trial_x, trial_grad);
  if (std::isnan(trial_value)) trial_value = std::numeric_limits<double>::infinity();
}

void Point::accept_trial() {
  std::swap(x, trial_x);
  std::swap(grad, trial_grad);
  value = trial_value;
}

void Point::move(double step) {
  if (options.low == nullptr) return vectors.move(x, direction, step, trial_x);
  vectors.over_blocks(5, [&](std::size_t begin, std::size_t end) {
    const SolverKernels& kernels = vectors.kernels();
    kernels.move(x + begin, direction + begin, step, trial_x + begin, end - begin);
    kernels.clamp(trial_x + begin, options.low + begin, options.high + begin, trial_x + begin,
                  end - begin);
  });
}

void Point::free_gradient(double margin) {
  double squares = 0;
  vectors.sum_blocks(5, 1, &squares, [&](std::size_t begin, std::size_t end, double* sum) {
    sum[0] = vectors.kernels().free_gradient(x + begin, grad + begin, options.low + begin,
                                             options.high + begin, margin, projected_grad + begin,
                                             end - begin);
  });
}

double Point::projected_step() {
  double squares = 0;
  vectors.sum_blocks(4, 1, &squares, [&](std::size_t begin, std::size_t end, double* sum) {
    sum[0] = vectors.kernels().projected_step(x + begin, grad + begin, options.low + begin,
                                              options.high + begin, end - begin);
  });
  return std::sqrt(squares);
}

void Point::measure() {
  x_norm = vectors.norm(x);
  if (options.low != nullptr) {
    free_gradient(0);
    grad_norm = vectors.norm(projected_grad);
  } else {
    grad_norm = vectors.norm(grad);
  }
}

struct Solver::Parts {
  Parts(const std::string& name, std::size_t size, SolverOptions settings)
      : options(std::move(settings)),
        method_name(name),
        method(make(name, size, options)),
        point(size, options, 8 + 4 * std::size_t(std::max<std::int64_t>(options.memory, 1))) {
    if (method->may_rise()) best = std::make_unique<Buffers>(size, 2);
  }

  [[nodiscard]] bool is_converged() const {
    return point.grad_norm <= options.gtol * std::max(1.0, point.x_norm);
  }

  void keep_best() {
    if (!best || (has_best && !(point.value < best_value))) return;
    has_best = true;
    best_value = point.value;
    best_norm = point.grad_norm;
    point.vectors.copy(point.x, (*best)[0]);
    point.vectors.copy(point.grad, (*best)[1]);
  }

  /// Evaluates x0. Returns whether it is finite.
  bool begin(const double* x0) {
    Vectors& vectors = point.vectors;
    if (options.low != nullptr)
      vectors.over_blocks(4, [&](std::size_t begin, std::size_t end) {
        vectors.kernels().clamp(x0 + begin, options.low + begin, options.high + begin,
                                point.trial_x + begin, end - begin);
      });
    else
      vectors.copy(x0, point.trial_x);
    point.evaluate_trial();
    point.accept_trial();
    point.measure();
    started = true;
    if (!std::isfinite(point.value) || !std::isfinite(point.grad_norm)) return false;
    keep_best();
    method->start(point);
    return true;
  }

  SolverStatus end(SolverStatus status, const char* text) {
    message = text;
    return status;
  }

  SolverStatus iterate(Objective& objective, Monitor* monitor) {
    while (true) {
      if (is_converged())
        return end(SolverStatus::converged, "The gradient is within gtol of zero.");
      if (flat_iterations >= options.patience)
        return end(SolverStatus::converged,
                   "The objective decreased by less than ftol for several iterations.");
      if (point.iterations >= options.maxiter)
        return end(SolverStatus::limit, "The maximum number of iterations was reached.");
      if (options.maxfun > 0 && objective.counts.value >= options.maxfun)
        return end(SolverStatus::limit, "The maximum number of evaluations was reached.");
      const double before = point.value;
      if (!method->step(point)) {
        if (options.maxfun > 0 && objective.counts.value >= options.maxfun)
          return end(SolverStatus::limit, "The maximum number of evaluations was reached.");
        return end(SolverStatus::line_search,
                   "No step decreases the objective: it may be at the limit of its precision, or "
                   "its gradient may be wrong.");
      }
      ++point.iterations;
      point.measure();
      const double size = std::max({std::fabs(before), std::fabs(point.value), 1e-300});
      const bool flat = std::fabs(before - point.value) <= options.ftol * size;
      flat_iterations = flat ? flat_iterations + 1 : 0;
      keep_best();
      counts = objective.counts;
      if (monitor != nullptr && monitor->stops(current()))
        return end(SolverStatus::stopped, "`callback` raised `StopIteration`.");
    }
  }

  [[nodiscard]] Iterate current() const {
    return {point.x, point.grad, point.value, point.grad_norm, point.iterations};
  }

  SolverOptions options;
  std::string method_name;
  std::unique_ptr<Method> method;
  Point point;
  std::unique_ptr<Buffers> best;
  bool has_best = false;
  bool started = false;
  double best_value = 0;
  double best_norm = 0;
  std::int64_t flat_iterations = 0;
  Counts counts;
  const char* message = "";
};

Solver::Solver(const std::string& method, std::size_t size, const SolverOptions& options)
    : parts_(std::make_unique<Parts>(method, size, options)) {}

Solver::~Solver() = default;

std::vector<std::string> Solver::methods() {
  std::vector<std::string> names;
  for (const MethodEntry& entry : entries) names.emplace_back(entry.name);
  return names;
}

SolverStatus Solver::run(Objective& objective, const double* x0, Monitor* monitor) {
  Parts& parts = *parts_;
  parts.point.objective = &objective;
  objective.counts = parts.counts;
  if (!parts.started && !parts.begin(x0)) {
    parts.counts = objective.counts;
    return parts.end(SolverStatus::not_finite,
                     "The objective or its gradient at x0 is not finite.");
  }
  const SolverStatus status = parts.iterate(objective, monitor);
  parts.counts = objective.counts;
  return status;
}

SolverState Solver::state() const {
  const Parts& parts = *parts_;
  const Point& point = parts.point;
  const std::size_t size = point.vectors.size();
  SolverState state;
  state.numbers = {{"nit", point.iterations},       {"nfev", parts.counts.value},
                   {"njev", parts.counts.grad},     {"nhev", parts.counts.hessian},
                   {"flat", parts.flat_iterations}, {"fun", point.value}};
  state.arrays.push_back({"x", {size}, {point.x, point.x + size}});
  state.arrays.push_back({"jac", {size}, {point.grad, point.grad + size}});
  if (parts.best) {
    state.numbers.emplace_back("best_fun", parts.best_value);
    state.arrays.push_back({"best_x", {size}, {(*parts.best)[0], (*parts.best)[0] + size}});
    state.arrays.push_back({"best_jac", {size}, {(*parts.best)[1], (*parts.best)[1] + size}});
  }
  parts.method->save(state);
  return state;
}

void Solver::load(const SolverState& state) {
  Parts& parts = *parts_;
  Point& point = parts.point;
  const std::size_t size = point.vectors.size();
  const auto& x = state.array("x", size);
  const auto& grad = state.array("jac", size);
  std::copy(x.begin(), x.end(), point.x);
  std::copy(grad.begin(), grad.end(), point.grad);
  point.value = state.number("fun");
  point.iterations = state.count("nit");
  parts.counts = {state.count("nfev"), state.count("njev"), state.count("nhev")};
  parts.flat_iterations = state.count("flat");
  point.measure();
  if (parts.best) {
    const auto& best_x = state.array("best_x", size);
    const auto& best_grad = state.array("best_jac", size);
    std::copy(best_x.begin(), best_x.end(), (*parts.best)[0]);
    std::copy(best_grad.begin(), best_grad.end(), (*parts.best)[1]);
    parts.best_value = state.number("best_fun");
    parts.best_norm = point.vectors.norm((*parts.best)[1]);
    parts.has_best = true;
  }
  parts.method->load(state);
  parts.started = true;
}

Iterate Solver::best() const {
  const Parts& parts = *parts_;
  if (!parts.best || !parts.has_best || !(parts.best_value < parts.point.value))
    return parts.current();
  return {(*parts.best)[0], (*parts.best)[1], parts.best_value, parts.best_norm,
          parts.point.iterations};
}

const Counts& Solver::counts() const { return parts_->counts; }
const char* Solver::message() const { return parts_->message; }

}  // namespace pyoptim
