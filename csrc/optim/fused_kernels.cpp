// The kernels of fused options: EMA and modifiers. Compiled once for each instruction set.
#include <cstddef>

#include "optim/kernel_table.hpp"
#include "simd/element.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

/// average <- decay average + (1 - decay) p.
template <class T>
void average(const void* param, void* mean, double decay, std::size_t size) {
  using F = Arithmetic<T>;
  const T* const p = static_cast<const T*>(param);
  F* const m = static_cast<F*>(mean);
  const F keep = F(decay), rate = F(1 - decay);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) m[i] = keep * m[i] + rate * load(p[i]);
}

/// The terms of a modifier: the update without weight decay, and the gradient with the sign of the
/// direction.
template <class F>
struct Compared {
  const F* param;
  const F* before;
  const F* grad;
  F sign, keep, factor;

  Compared(const void* p, const void* old, const void* g, const Direction& direction)
      : param(static_cast<const F*>(p)),
        before(static_cast<const F*>(old)),
        grad(static_cast<const F*>(g)),
        sign(F(direction.sign)),
        keep(F(direction.keep)),
        factor(F(direction.factor)) {}

  [[nodiscard]] F start(std::size_t i) const { return keep * before[i]; }
  [[nodiscard]] F step(std::size_t i) const { return param[i] - start(i); }
  [[nodiscard]] F signed_grad(std::size_t i) const { return sign * grad[i]; }
};

/// Scales the elements whose update goes against the gradient, and leaves the others out.
template <class F>
void cautious(void* param, const void* before, const void* grad, const Direction& direction,
              std::size_t size) {
  F* const p = static_cast<F*>(param);
  const Compared<F> of(param, before, grad, direction);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) {
    const F start = of.start(i), step = of.step(i), along = step * of.signed_grad(i);
    const F scaled = start + of.factor * step;
    p[i] = along < 0 ? scaled : along >= 0 ? start : along;
  }
}

template <class F>
double agreeing(const void* param, const void* before, const void* grad, const Direction& direction,
                std::size_t size) {
  const Compared<F> of(param, before, grad, direction);
  return sum_in_lanes(
      size, [=](std::size_t i) { return of.step(i) * of.signed_grad(i) < 0 ? 1.0 : 0.0; });
}

/// The magnitude of the update, with the opposite sign of the gradient.
template <class F>
void grams(void* param, const void* before, const void* grad, const Direction& direction,
           std::size_t size) {
  F* const p = static_cast<F*>(param);
  const Compared<F> of(param, before, grad, direction);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i)
    p[i] = of.start(i) - magnitude(of.step(i)) * sign(of.signed_grad(i));
}

}  // namespace

extern const FusedKernels fused_kernels;
constinit const FusedKernels fused_kernels = {
    .average = {average<float>, average<double>, average<bfloat16>},
    .cautious = {cautious<float>, cautious<double>},
    .grams = {grams<float>, grams<double>},
    .agreeing = {agreeing<float>, agreeing<double>},
};

}  // namespace pyoptim::PYOPTIM_ISA
