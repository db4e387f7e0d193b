// Solvers over objectives of C++.
#include <doctest.h>

#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "solvers/solve.hpp"

using namespace pyoptim;

namespace {

/// The sum over i of (i + 1) (x_i - 1)^2 / 2 + (x_i - 1)^4; fails after some evaluations.
class Bowl final : public Objective {
 public:
  explicit Bowl(std::size_t size, int evaluations = 1 << 30) : size_(size), left_(evaluations) {}

  [[nodiscard]] std::size_t size() const override { return size_; }
  double value_and_grad(const double* x, double* grad) override {
    if (left_-- == 0) throw std::domain_error("enough");
    ++counts.value;
    ++counts.grad;
    double value = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      const double d = x[i] - 1, weight = double(i) + 1;
      value += weight * d * d / 2 + d * d * d * d;
      grad[i] = weight * d + 4 * d * d * d;
    }
    return value;
  }
  [[nodiscard]] bool has_hessian() const override { return true; }
  void hessian(const double* x, double* out) override {
    ++counts.hessian;
    for (std::size_t i = 0; i < size_ * size_; ++i) out[i] = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      const double d = x[i] - 1;
      out[i * size_ + i] = double(i) + 1 + 12 * d * d;
    }
  }

 private:
  std::size_t size_;
  int left_;
};

SolverOptions options_of(const std::string& method) {
  SolverOptions options;
  if (method == "gradient_descent") options.line_search = LineSearch::armijo;
  if (method == "optimizer") {
    options.rule = "Adam";
    options.hyperparameters = {{"lr", 0.1}};
  }
  return options;
}

}  // namespace

TEST_CASE("every method finds the minimum, and continues bit-identically") {
  for (const std::string& method : Solver::methods()) {
    CAPTURE(method);
    const std::vector<double> x0(9, -2.0);
    SolverOptions options = options_of(method);
    Bowl bowl(9);
    Solver whole(method, 9, options);
    CHECK(whole.run(bowl, x0.data(), nullptr) == SolverStatus::converged);
    for (int i = 0; i < 9; ++i) CHECK(std::fabs(whole.best().x[i] - 1) < 1e-4);
    CHECK(whole.counts().value == bowl.counts.value);

    const SolverOptions unlimited = options;
    options.maxiter = 3;
    Solver part(method, 9, options);
    CHECK(part.run(bowl, x0.data(), nullptr) == SolverStatus::limit);
    Solver rest(method, 9, unlimited);
    rest.load(part.state());
    CHECK(rest.run(bowl, nullptr, nullptr) == SolverStatus::converged);
    for (int i = 0; i < 9; ++i) CHECK(rest.best().x[i] == whole.best().x[i]);
    CHECK(rest.counts().value == whole.counts().value);
    CHECK(rest.best().iterations == whole.best().iterations);
  }
}

TEST_CASE("exceptions of an objective travel out of every method") {
  for (const std::string& method : Solver::methods()) {
    CAPTURE(method);
    const std::vector<double> x0(9, -2.0);
    Bowl bowl(9, 3);
    Solver solver(method, 9, options_of(method));
    CHECK_THROWS_WITH_AS(solver.run(bowl, x0.data(), nullptr), "enough", std::domain_error);
  }
}

TEST_CASE("wrong methods and states are refused") {
  CHECK_THROWS_AS(Solver("simplex", 3, SolverOptions()), std::invalid_argument);
  Solver solver("lbfgs", 3, SolverOptions());
  CHECK_THROWS_WITH_AS(solver.load(SolverState()), "state: missing the array 'x'",
                       std::invalid_argument);
}
