// What methods of minimization share: the current point, buffers, and the interface of a method.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/arena.hpp"
#include "solvers/objective.hpp"
#include "solvers/solve.hpp"
#include "solvers/vectors.hpp"

namespace pyoptim {

/// Vectors in one allocation, which loops can read side by side.
class Buffers {
 public:
  Buffers(std::size_t size, std::size_t count);
  [[nodiscard]] double* operator[](std::size_t i) const { return data_[i]; }

 private:
  std::unique_ptr<Arena> arena_;
  std::vector<double*> data_;
};

/// The point of a run, the objective there, and what a step needs.
struct Point {
  Point(std::size_t size, const SolverOptions& settings, std::size_t max_sums);

  /// f and its gradient at `trial_x` go to `trial_value` and `trial_grad`. A value that is not a
  /// number counts as infinite.
  void evaluate_trial();
  /// The trial becomes the point.
  void accept_trial();
  /// trial_x <- x + step d, within bounds.
  void move(double step);
  /// Norms of x and of the gradient, of which only free components count within bounds.
  void measure();
  /// projected_grad <- the gradient, with 0 for components that bounds block, or will block within
  /// a distance of `margin`.
  void free_gradient(double margin);
  /// The length of a step along the gradient, within bounds.
  double projected_step();
  /// The gradient, with 0 for components that bounds block.
  [[nodiscard]] const double* free_grad() const { return options.low ? projected_grad : grad; }

  const SolverOptions& options;
  Vectors vectors;
  Buffers buffers;
  Objective* objective = nullptr;
  double* x;
  double* grad;
  double* trial_x;
  double* trial_grad;
  double* direction;
  double* projected_grad;
  double value = 0;
  double trial_value = 0;
  /// A value that a line search has to decrease instead, if it is larger than the point's.
  double reference_value = -std::numeric_limits<double>::infinity();
  double x_norm = 0;
  double grad_norm = 0;
  std::int64_t iterations = 0;
};

/// A method of minimization.
class Method {
 public:
  Method() = default;
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;
  virtual ~Method() = default;

  /// Called once, at x0.
  virtual void start(Point& /*point*/) {}
  /// One step. Returns whether there was one; if not, the point is as before.
  virtual bool step(Point& point) = 0;
  /// Whether values may rise from step to step, so that the best point is kept besides.
  [[nodiscard]] virtual bool may_rise() const { return false; }
  virtual void save(SolverState& /*state*/) const {}
  virtual void load(const SolverState& /*state*/) {}
};

std::unique_ptr<Method> make_lbfgs(std::size_t size, const SolverOptions& options);
std::unique_ptr<Method> make_gradient_descent(std::size_t size, const SolverOptions& options);
std::unique_ptr<Method> make_optimizer_steps(std::size_t size, const SolverOptions& options);
std::unique_ptr<Method> make_newton(std::size_t size, const SolverOptions& options);
std::unique_ptr<Method> make_newton_cg(std::size_t size, const SolverOptions& options);
std::unique_ptr<Method> make_trust_region(std::size_t size, const SolverOptions& options);

}  // namespace pyoptim
