// Functions that solvers minimize.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/export.hpp"

namespace pyoptim {

/// How often an objective was evaluated.
struct Counts {
  std::int64_t value = 0;
  std::int64_t grad = 0;
  std::int64_t hessian = 0;  ///< Hessians, and their products with a vector.
};

/// A function of a vector of float64, with its gradient. Evaluations may throw; exceptions leave
/// the solver unchanged.
class PYOPTIM_API Objective {
 public:
  Objective() = default;
  Objective(const Objective&) = delete;
  Objective& operator=(const Objective&) = delete;
  virtual ~Objective();

  [[nodiscard]] virtual std::size_t size() const = 0;
  /// f(x); its gradient goes to `grad`.
  virtual double value_and_grad(const double* x, double* grad) = 0;

  /// Whether hess_vec() multiplies by the Hessian. Otherwise solvers take differences of gradients.
  [[nodiscard]] virtual bool has_hess_vec() const { return false; }
  /// out <- H(x) v. The default throws std::logic_error.
  virtual void hess_vec(const double* x, const double* v, double* out);
  [[nodiscard]] virtual bool has_hessian() const { return false; }
  /// The Hessian as a square matrix, row-major. The default throws std::logic_error.
  virtual void hessian(const double* x, double* out);

  /// What each evaluation adds to: implementations count themselves.
  Counts counts;
};

}  // namespace pyoptim
