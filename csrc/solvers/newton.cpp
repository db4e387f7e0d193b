// Newton's method: x <- x - a H^-1 g, by Cholesky factors. Where H is not positive definite, a
// multiple of the unit matrix is added: J. Nocedal and S. J. Wright, Numerical Optimization (2006),
// algorithm 3.3.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "solvers/dense.hpp"
#include "solvers/line_search.hpp"
#include "solvers/method.hpp"

namespace pyoptim {
namespace {

class Newton final : public Method {
 public:
  Newton(std::size_t size, const SolverOptions& options)
      : size_(size), kind_(options.line_search), hessian_(size * size), cholesky_(size) {
    if (options.low != nullptr) throw std::invalid_argument("bounds: not supported by newton");
  }

  bool step(Point& point) override {
    const SolverKernels& kernels = point.vectors.kernels();
    if (!point.objective->has_hessian())
      throw std::invalid_argument("hess: newton needs the Hessian, got None");
    point.objective->hessian(point.x, hessian_.data());
    if (!factor(kernels)) return false;
    cholesky_.solve(kernels, point.grad, point.direction);
    point.vectors.scale(point.direction, -1, point.direction);
    const double derivative = point.vectors.dot(point.grad, point.direction);
    if (!(derivative < 0)) return false;
    if (search_line(point, derivative, 1, kind_) == 0) return false;
    point.accept_trial();
    return true;
  }

  void save(SolverState& state) const override { state.numbers.emplace_back("damping", damping_); }
  void load(const SolverState& state) override { damping_ = state.number("damping"); }

 private:
  /// Factors H + damping I with the smallest damping tried that makes it positive definite.
  bool factor(const SolverKernels& kernels) {
    double largest = 0, lowest = hessian_.empty() ? 0 : hessian_[0];
    for (std::size_t i = 0; i < size_; ++i) {
      const double value = hessian_[i * size_ + i];
      if (!std::isfinite(value)) return false;
      largest = std::max(largest, std::fabs(value));
      lowest = std::min(lowest, value);
    }
    const double least = 1e-3 * std::max(largest, 1e-300);
    if (lowest > 0 && cholesky_.factor(kernels, hessian_.data(), 0)) {
      damping_ = 0;
      return true;
    }
    double damping = std::max({0.25 * damping_, least, least - lowest});
    for (int i = 0; i < 60; ++i) {
      if (cholesky_.factor(kernels, hessian_.data(), damping)) {
        damping_ = damping;
        return true;
      }
      damping *= 4;
    }
    return false;
  }

  std::size_t size_;
  LineSearch kind_;
  std::vector<double> hessian_;
  Cholesky cholesky_;
  double damping_ = 0;
};

}  // namespace

std::unique_ptr<Method> make_newton(std::size_t size, const SolverOptions& options) {
  return std::make_unique<Newton>(size, options);
}

}  // namespace pyoptim
