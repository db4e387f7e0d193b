// Trust region with truncated conjugate gradients: J. Nocedal and S. J. Wright, Numerical
// Optimization (2006), algorithms 4.1 and 7.2.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "solvers/hessian_product.hpp"
#include "solvers/method.hpp"

namespace pyoptim {
namespace {

class TrustRegion final : public Method {
 public:
  TrustRegion(std::size_t size, const SolverOptions& options)
      : radius_(options.radius), model_(size) {
    if (options.low != nullptr)
      throw std::invalid_argument("bounds: not supported by trust_region");
  }

  bool step(Point& point) override {
    const SolverOptions& options = point.options;
    model_.set_point(point);
    while (true) {
      const double tolerance = std::min(0.1, std::sqrt(point.grad_norm)) * point.grad_norm;
      const InnerEnd end = model_.solve(point, radius_, tolerance);
      const double length = point.vectors.norm(point.direction);
      if (!(length > 1e-16 * point.x_norm) || !(model_.decrease() > 0)) return false;
      if (options.maxfun > 0 && point.objective->counts.value >= options.maxfun) return false;
      point.move(1);
      point.evaluate_trial();
      // Near the solution both decreases are rounding, and their ratio is noise.
      const double rounding = 1e-15 * std::fabs(point.value);
      const double ratio =
          (point.value - point.trial_value + rounding) / (model_.decrease() + rounding);
      const bool accepted = std::isfinite(point.trial_value) && ratio > options.eta;
      if (!(ratio >= 0.25))
        radius_ = 0.25 * std::min(length, radius_);
      else if (ratio > 0.75 && end != InnerEnd::converged && end != InnerEnd::limit)
        radius_ = std::min(2 * radius_, options.max_radius);
      if (accepted) {
        point.accept_trial();
        return true;
      }
    }
  }

  void save(SolverState& state) const override { state.numbers.emplace_back("radius", radius_); }
  void load(const SolverState& state) override { radius_ = state.number("radius"); }

 private:
  double radius_;
  QuadraticModel model_;
};

}  // namespace

std::unique_ptr<Method> make_trust_region(std::size_t size, const SolverOptions& options) {
  return std::make_unique<TrustRegion>(size, options);
}

}  // namespace pyoptim
