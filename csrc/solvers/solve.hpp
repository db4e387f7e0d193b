// Minimization of an objective by a method, and its state, from which a run continues
// bit-identically.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/export.hpp"
#include "solvers/objective.hpp"

namespace pyoptim {

/// Why a run ended, with scipy's numbers.
enum class SolverStatus : std::uint8_t {
  converged = 0,
  limit = 1,        ///< Of iterations or evaluations.
  line_search = 2,  ///< No step decreases the objective enough.
  not_finite = 3,   ///< The objective at x0 is not finite.
  stopped = 99,     ///< By the callback.
};

enum class LineSearch : std::uint8_t { strong_wolfe, hager_zhang, armijo, fixed, decay };

/// Settings of all methods; each method reads those it has.
struct SolverOptions {
  double gtol = 1e-5;  ///< Converged: |g| <= gtol max(1, |x|).
  double ftol =
      1e-14;  ///< A plateau: relative decreases of at most ftol for `patience` iterations.
  std::int64_t patience = 3;
  std::int64_t maxiter = 15000;
  std::int64_t maxfun = 0;  ///< 0: no limit.
  int threads = 0;
  LineSearch line_search = LineSearch::strong_wolfe;
  double c1 = 1e-4;  ///< Sufficient decrease.
  double c2 = 0.9;   ///< Curvature.
  std::int64_t maxls = 30;
  std::int64_t memory = 10;
  double lr = 0;     ///< Step length of fixed and decaying steps; 0: chosen from the gradient.
  double decay = 0;  ///< Step n has the length lr / (1 + decay n).
  double radius = 1;
  double max_radius = 1e10;
  double eta = 0.15;           ///< Smallest ratio of actual to predicted decrease of a step.
  std::int64_t max_inner = 0;  ///< Conjugate-gradient iterations; 0: 10 for each variable.
  std::string rule;            ///< The optimizer of the registry, for the method "optimizer".
  std::vector<std::pair<std::string, double>> hyperparameters;  ///< Of that optimizer.
  const double* low = nullptr;  ///< Bounds, or nullptr; both or none.
  const double* high = nullptr;
};

/// Numbers and arrays, by name.
struct SolverState {
  struct Array {
    std::string name;
    std::vector<std::size_t> shape;
    std::vector<double> values;
  };
  std::vector<std::pair<std::string, std::variant<std::int64_t, double>>> numbers;
  std::vector<Array> arrays;

  /// These throw std::invalid_argument if the name is missing.
  [[nodiscard]] PYOPTIM_API double number(const std::string& name) const;
  [[nodiscard]] PYOPTIM_API std::int64_t count(const std::string& name) const;
  /// Throws as well if the array has another size.
  [[nodiscard]] PYOPTIM_API const std::vector<double>& array(const std::string& name,
                                                             std::size_t size) const;
};

/// A point of a run.
struct Iterate {
  const double* x;
  const double* grad;
  double value;
  double grad_norm;
  std::int64_t iterations;
};

/// Asked after each iteration whether to stop; may throw.
class PYOPTIM_API Monitor {
 public:
  Monitor() = default;
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  virtual ~Monitor();
  virtual bool stops(const Iterate& iterate) = 0;
};

class PYOPTIM_API Solver {
 public:
  /// Throws std::invalid_argument for an unknown method. Bounds must live as long as the solver.
  Solver(const std::string& method, std::size_t size, const SolverOptions& options);
  Solver(const Solver&) = delete;
  Solver& operator=(const Solver&) = delete;
  ~Solver();

  static std::vector<std::string> methods();

  /// Minimizes from x0 on, or, after load(), from the state on: then x0 is nullptr.
  SolverStatus run(Objective& objective, const double* x0, Monitor* monitor);

  [[nodiscard]] SolverState state() const;
  /// Throws std::invalid_argument for a state of another method or size.
  void load(const SolverState& state);

  /// The best point so far.
  [[nodiscard]] Iterate best() const;
  [[nodiscard]] const Counts& counts() const;
  /// Why the last run ended.
  [[nodiscard]] const char* message() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace pyoptim
