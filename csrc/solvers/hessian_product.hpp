// Products of the Hessian with vectors, and conjugate gradients that use nothing else of it.
#pragma once

#include <cstddef>
#include <vector>

#include "solvers/method.hpp"

namespace pyoptim {

/// What ended conjugate-gradient iterations.
enum class InnerEnd : std::uint8_t { converged, negative_curvature, boundary, limit };

/// Minimizes the quadratic model g p + p H p / 2 by conjugate gradients: T. Steihaug, The conjugate
/// gradient method and trust regions in large scale optimization, SIAM J. Numer. Anal. 20 (1983).
class QuadraticModel {
 public:
  explicit QuadraticModel(std::size_t size);

  /// To be called at every new point, before solve().
  void set_point(Point& point);
  /// p goes to point.direction, within `radius`, which may be infinite; the residual is reduced to
  /// `tolerance`. Negative curvature leads to the boundary or, if the radius is infinite, ends the
  /// iterations with a step along the direction that has it.
  InnerEnd solve(Point& point, double radius, double tolerance);
  /// The model's decrease by the last solution.
  [[nodiscard]] double decrease() const { return decrease_; }

 private:
  void multiply(Point& point, const double* v, double* out);

  std::size_t size_;
  Buffers buffers_;
  std::vector<double> hessian_;  // if the objective has it, but no products
  double decrease_ = 0;
};

}  // namespace pyoptim
