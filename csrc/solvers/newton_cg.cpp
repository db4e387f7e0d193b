// Truncated Newton: the Newton system is solved by conjugate gradients, less exactly far from the
// solution; a line search follows. J. Nocedal and S. J. Wright, Numerical Optimization (2006),
// algorithm 7.1.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "solvers/hessian_product.hpp"
#include "solvers/line_search.hpp"
#include "solvers/method.hpp"

namespace pyoptim {
namespace {

class NewtonCG final : public Method {
 public:
  NewtonCG(std::size_t size, const SolverOptions& options)
      : kind_(options.line_search), model_(size) {
    if (options.low != nullptr) throw std::invalid_argument("bounds: not supported by newton_cg");
  }

  bool step(Point& point) override {
    model_.set_point(point);
    const double tolerance = std::min(0.1, std::sqrt(point.grad_norm)) * point.grad_norm;
    model_.solve(point, std::numeric_limits<double>::infinity(), tolerance);
    double derivative = point.vectors.dot(point.grad, point.direction);
    if (!(derivative < 0)) {
      point.vectors.scale(point.grad, -1, point.direction);
      derivative = -point.grad_norm * point.grad_norm;
    }
    if (search_line(point, derivative, 1, kind_) == 0) return false;
    point.accept_trial();
    return true;
  }

 private:
  LineSearch kind_;
  QuadraticModel model_;
};

}  // namespace

std::unique_ptr<Method> make_newton_cg(std::size_t size, const SolverOptions& options) {
  return std::make_unique<NewtonCG>(size, options);
}

}  // namespace pyoptim
