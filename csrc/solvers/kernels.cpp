// The loops of solvers. Compiled once for each instruction set.
#include "solvers/kernel_table.hpp"

#include <cstddef>

#include "simd/math.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

double dot(const double* a, const double* b, std::size_t size) {
  return sum_in_lanes(size, [=](std::size_t i) { return a[i] * b[i]; });
}

void two_dots(const double* a, const double* b, const double* c, double* sums, std::size_t size) {
  LaneSums with_b, with_c;
  double b_terms[lanes], c_terms[lanes];
  by_lanes(
      size,
      [&](std::size_t i, std::size_t j) {
        b_terms[j] = a[i] * b[i];
        c_terms[j] = a[i] * c[i];
      },
      [&](std::size_t j) { b_terms[j] = c_terms[j] = 0; },
      [&] {
        with_b.add(b_terms);
        with_c.add(c_terms);
      });
  sums[0] = with_b.total();
  sums[1] = with_c.total();
}

void move(const double* x, const double* d, double step, double* out, std::size_t size) {
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) out[i] = x[i] + step * d[i];
}

void scale(const double* x, double a, double* out, std::size_t size) {
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) out[i] = a * x[i];
}

void add(const double* x, double a, double* y, std::size_t size) {
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) y[i] += a * x[i];
}

void add_two(const double* x, double a, const double* z, double b, double* y, std::size_t size) {
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) y[i] += a * x[i] + b * z[i];
}

void correction(const double* x1, const double* x0, const double* g1, const double* g0, double* s,
                double* y, double* sums, std::size_t size) {
  LaneSums ss, sy, yy;
  double s_terms[lanes], terms[lanes], y_terms[lanes];
  by_lanes(
      size,
      [&](std::size_t i, std::size_t j) {
        const double dx = x1[i] - x0[i], dg = g1[i] - g0[i];
        s[i] = dx;
        y[i] = dg;
        s_terms[j] = dx * dx;
        terms[j] = dx * dg;
        y_terms[j] = dg * dg;
      },
      [&](std::size_t j) { s_terms[j] = terms[j] = y_terms[j] = 0; },
      [&] {
        ss.add(s_terms);
        sy.add(terms);
        yy.add(y_terms);
      });
  sums[0] = ss.total();
  sums[1] = sy.total();
  sums[2] = yy.total();
}

void clamp(const double* x, const double* low, const double* high, double* out, std::size_t size) {
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) out[i] = smaller(high[i], larger(low[i], x[i]));
}

double free_gradient(const double* x, const double* g, const double* low, const double* high,
                     double margin, double* out, std::size_t size) {
  return sum_in_lanes(size, [=](std::size_t i) {
    const double near = smaller(margin, 0.01 * (high[i] - low[i]));
    const bool blocked =
        (x[i] - low[i] <= near && g[i] > 0) || (high[i] - x[i] <= near && g[i] < 0);
    const double value = blocked ? 0 : g[i];
    out[i] = value;
    return value * value;
  });
}

double projected_step(const double* x, const double* g, const double* low, const double* high,
                      std::size_t size) {
  return sum_in_lanes(size, [=](std::size_t i) {
    const double step = smaller(high[i], larger(low[i], x[i] - g[i])) - x[i];
    return step * step;
  });
}

double arc_decrease(const double* x, const double* trial, const double* g, std::size_t size) {
  return sum_in_lanes(size, [=](std::size_t i) { return g[i] * (trial[i] - x[i]); });
}

/// Term i, and the derivative by x[i]: of term i, if `has_next`, and of the one before, if
/// `has_previous`.
inline double rosenbrock_term(const double* x, double* grad, std::size_t i, bool has_previous,
                              bool has_next) {
  double value = 0, derivative = 0;
  if (has_next) {
    const double a = 1 - x[i], b = x[i + 1] - x[i] * x[i];
    value = 100 * (b * b) + a * a;
    derivative = -400 * x[i] * b - 2 * a;
  }
  if (has_previous) derivative += 200 * (x[i] - x[i - 1] * x[i - 1]);
  grad[i] = derivative;
  return value;
}

double rosenbrock(const double* x, double* grad, std::size_t begin, std::size_t end,
                  std::size_t size) {
  double sum = 0;
  if (begin == 0) sum += rosenbrock_term(x, grad, begin++, false, true);
  const bool at_end = end == size;
  if (at_end) --end;
  if (begin < end)
    sum += sum_in_lanes(end - begin, [=](std::size_t i) {
      return rosenbrock_term(x, grad, begin + i, true, true);
    });
  if (at_end) sum += rosenbrock_term(x, grad, end, true, false);
  return sum;
}

void keep_free(const double* free_g, const double* g, double* d, std::size_t size) {
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) d[i] = free_g[i] == 0 ? -g[i] : d[i];
}

}  // namespace

extern const SolverKernels solver_kernels;
constinit const SolverKernels solver_kernels = {
    .dot = dot,
    .two_dots = two_dots,
    .move = move,
    .scale = scale,
    .add = add,
    .add_two = add_two,
    .correction = correction,
    .clamp = clamp,
    .free_gradient = free_gradient,
    .projected_step = projected_step,
    .arc_decrease = arc_decrease,
    .rosenbrock = rosenbrock,
    .keep_free = keep_free,
};

}  // namespace pyoptim::PYOPTIM_ISA
