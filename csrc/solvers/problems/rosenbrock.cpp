#include <stdexcept>

#include "solvers/problems/problems.hpp"
#include "solvers/vectors.hpp"

namespace pyoptim {
namespace {

class RosenbrockChain final : public Problem {
 public:
  RosenbrockChain(std::size_t size, int threads) : vectors_(size, threads, 1) {
    if (size < 2) throw std::invalid_argument("size: expected at least 2 variables");
  }

  [[nodiscard]] std::size_t size() const override { return vectors_.size(); }
  void start(double* x) const override {
    for (std::size_t i = 0; i < size(); ++i) x[i] = i % 2 == 0 ? -1.2 : 1;
  }

  double value_and_grad(const double* x, double* grad) override {
    ++counts.value;
    ++counts.grad;
    double value = 0;
    vectors_.sum_blocks(4, 1, &value, [&](std::size_t begin, std::size_t end, double* sum) {
      sum[0] = vectors_.kernels().rosenbrock(x, grad, begin, end, size());
    });
    return value;
  }

 private:
  Vectors vectors_;
};

}  // namespace

std::unique_ptr<Problem> make_rosenbrock(std::size_t size, int threads) {
  return std::make_unique<RosenbrockChain>(size, threads);
}

}  // namespace pyoptim
