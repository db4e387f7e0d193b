#include "solvers/vectors.hpp"

#include <cmath>
#include <cstring>

namespace pyoptim {

PYOPTIM_PER_ISA(SolverKernels, solver_kernels);

Vectors::Vectors(std::size_t size, int threads, std::size_t max_sums)
    : size_(size),
      threads_(threads),
      kernels_(&solver_kernels.current()),
      sums_((size + solver_block - 1) / solver_block * std::max<std::size_t>(1, max_sums)) {}

double Vectors::dot(const double* a, const double* b) {
  double total = 0;
  sum_blocks(2, 1, &total, [&](std::size_t begin, std::size_t end, double* sums) {
    sums[0] = kernels_->dot(a + begin, b + begin, end - begin);
  });
  return total;
}

double Vectors::norm(const double* a) {
  const double squares = dot(a, a);
  if (squares > 1e-280 && std::isfinite(squares)) return std::sqrt(squares);
  // Squares of very large or small elements are out of range: divide by the largest first.
  double largest = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    if (std::isnan(a[i])) return a[i];
    largest = std::max(largest, std::fabs(a[i]));
  }
  if (largest == 0 || std::isinf(largest)) return largest;
  double sum = 0;
  for (std::size_t i = 0; i < size_; ++i) sum += (a[i] / largest) * (a[i] / largest);
  return largest * std::sqrt(sum);
}

void Vectors::move(const double* x, const double* d, double step, double* out) {
  over_blocks(3, [&](std::size_t begin, std::size_t end) {
    kernels_->move(x + begin, d + begin, step, out + begin, end - begin);
  });
}

void Vectors::scale(const double* x, double a, double* out) {
  over_blocks(2, [&](std::size_t begin, std::size_t end) {
    kernels_->scale(x + begin, a, out + begin, end - begin);
  });
}

void Vectors::add(const double* x, double a, double* y) {
  over_blocks(3, [&](std::size_t begin, std::size_t end) {
    kernels_->add(x + begin, a, y + begin, end - begin);
  });
}

void Vectors::copy(const double* x, double* out) {
  over_blocks(2, [&](std::size_t begin, std::size_t end) {
    std::memcpy(out + begin, x + begin, (end - begin) * sizeof(double));
  });
}

}  // namespace pyoptim
