// Gradient descent: x <- x - a g, with a step length a that a line search, or a rule, chooses.
// Backtracking is with respect to the largest of the last values: M. Raydan, The Barzilai and
// Borwein gradient method for the large scale unconstrained minimization problem, SIAM J. Optim. 7
// (1997).
#include <algorithm>
#include <cmath>

#include "solvers/line_search.hpp"
#include "solvers/method.hpp"

namespace pyoptim {
namespace {

constexpr std::size_t recent_values = 10;

class GradientDescent final : public Method {
 public:
  explicit GradientDescent(const SolverOptions& options) : kind_(options.line_search) {}

  bool step(Point& point) override {
    point.vectors.scale(point.free_grad(), -1, point.direction);
    const double derivative = -point.grad_norm * point.grad_norm;
    if (derivative == 0) return false;
    if (kind_ == LineSearch::armijo) {
      recent_[std::size_t(point.iterations) % recent_values] = point.value;
      point.reference_value = *std::max_element(recent_.begin(), recent_.end());
    }
    const double length = search_line(point, derivative, first_step(point), kind_);
    if (length == 0) return false;
    remember(point, length);
    point.accept_trial();
    return true;
  }

  [[nodiscard]] bool may_rise() const override {
    return kind_ == LineSearch::armijo || has_given_length();
  }

  void save(SolverState& state) const override {
    state.numbers.emplace_back("length", length_);
    state.arrays.push_back({"recent", {recent_values}, recent_});
  }
  void load(const SolverState& state) override {
    length_ = state.number("length");
    recent_ = state.array("recent", recent_values);
  }

 private:
  [[nodiscard]] bool has_given_length() const {
    return kind_ == LineSearch::fixed || kind_ == LineSearch::decay;
  }

  [[nodiscard]] double first_step(const Point& point) const {
    const SolverOptions& options = point.options;
    if (has_given_length())
      return (options.lr > 0 ? options.lr : 1e-3) /
             (1 + (kind_ == LineSearch::decay ? options.decay : 0) * double(point.iterations));
    if (length_ > 0) return length_;
    return options.lr > 0 ? options.lr : std::min(1.0, 1 / point.grad_norm);
  }

  /// The length that the last step's curvature suggests for the next: J. Barzilai and J. M.
  /// Borwein, Two-point step size gradient methods, IMA J. Numer. Anal. 8 (1988).
  void remember(Point& point, double length) {
    double sums[2] = {};
    point.vectors.sum_blocks(4, 2, sums, [&](std::size_t begin, std::size_t end, double* part) {
      const SolverKernels& kernels = point.vectors.kernels();
      const double* const d = point.direction + begin;
      part[0] = kernels.dot(point.trial_grad + begin, d, end - begin);
      part[1] = kernels.dot(point.grad + begin, d, end - begin);
    });
    const double curvature = sums[0] - sums[1];  // of d, times the length
    const double suggested = length * -sums[1] / curvature;
    length_ = std::isfinite(suggested) && suggested > 0 ? suggested : 2 * length;
  }

  LineSearch kind_;
  double length_ = 0;
  std::vector<double> recent_ =
      std::vector<double>(recent_values, -std::numeric_limits<double>::infinity());
};

}  // namespace

std::unique_ptr<Method> make_gradient_descent(std::size_t /*size*/, const SolverOptions& options) {
  return std::make_unique<GradientDescent>(options);
}

}  // namespace pyoptim
