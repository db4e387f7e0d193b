// The kernels of solvers over vectors of float64, compiled once for each instruction set. Plain
// data and function pointers only.
#pragma once

#include <cstddef>

namespace pyoptim {

/// All sums are in 16 lanes of double.
struct SolverKernels {
  double (*dot)(const double* a, const double* b, std::size_t size);
  /// sums[0] <- a b, sums[1] <- a c
  void (*two_dots)(const double* a, const double* b, const double* c, double* sums,
                   std::size_t size);
  /// out <- x + step d
  void (*move)(const double* x, const double* d, double step, double* out, std::size_t size);
  /// out <- a x
  void (*scale)(const double* x, double a, double* out, std::size_t size);
  /// y <- y + a x
  void (*add)(const double* x, double a, double* y, std::size_t size);
  /// y <- y + a x + b z
  void (*add_two)(const double* x, double a, const double* z, double b, double* y,
                  std::size_t size);
  /// s <- x1 - x0, y <- g1 - g0; sums <- s s, s y, y y
  void (*correction)(const double* x1, const double* x0, const double* g1, const double* g0,
                     double* s, double* y, double* sums, std::size_t size);
  /// out <- x clamped to [low, high]; NaN stays.
  void (*clamp)(const double* x, const double* low, const double* high, double* out,
                std::size_t size);
  /// out <- g, but 0 where x is within `margin`, or a hundredth of the bounds' distance, of a bound
  /// that -g points to; returns the sum of squares of out.
  double (*free_gradient)(const double* x, const double* g, const double* low, const double* high,
                          double margin, double* out, std::size_t size);
  /// The sum of squares of clamped(x - g) - x.
  double (*projected_step)(const double* x, const double* g, const double* low, const double* high,
                           std::size_t size);
  /// The sum of g (trial - x).
  double (*arc_decrease)(const double* x, const double* trial, const double* g, std::size_t size);
  /// The terms from `begin` to `end` of the Rosenbrock function of `size` variables, and as many
  /// elements of its gradient.
  double (*rosenbrock)(const double* x, double* grad, std::size_t begin, std::size_t end,
                       std::size_t size);
  /// d <- d, but -g where free_g is 0.
  void (*keep_free)(const double* free_g, const double* g, double* d, std::size_t size);
};

}  // namespace pyoptim
