// The loops of dense layers beside their matrix products. Compiled once for each instruction set.
#include "layers/kernels.hpp"

#include <cstddef>

#include "engine/sum.hpp"
#include "layers/activations.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

template <class A, class F>
void forward(void* z_rows, const void* bias, void* a_rows, std::size_t rows, std::size_t columns) {
  const F* const b = static_cast<const F*>(bias);
  for (std::size_t i = 0; i < rows; ++i) {
    F* const z = static_cast<F*>(z_rows) + i * columns;
    F* const a = static_cast<F*>(a_rows) + i * columns;
    // a is stored last: where it is z, the activation stays.
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      const F sum = z[j] + b[j];
      z[j] = sum;
      a[j] = A::value(sum);
    }
  }
}

template <class A, class F>
void backward(void* d_rows, const void* z_rows, const void* a_rows, double* bias_sums,
              std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    F* const d = static_cast<F*>(d_rows) + i * columns;
    const F* const z = static_cast<const F*>(z_rows) + i * columns;
    const F* const a = static_cast<const F*>(a_rows) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      d[j] *= A::slope(z[j], a[j]);
      bias_sums[j] += double(d[j]);
    }
  }
}

template <class F>
void softmax(void* score_rows, std::size_t rows, std::size_t columns) {
  if (columns == 0) return;
  for (std::size_t i = 0; i < rows; ++i) {
    F* const z = static_cast<F*>(score_rows) + i * columns;
    const F top = largest_in_lanes(z, columns);
    const double sum =
        sum_in_lanes(columns, [=](std::size_t j) { return z[j] = exponential(z[j] - top); });
    const F share = F(1 / sum);
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) z[j] *= share;
  }
}

template <class F>
constexpr LayerKernels table = {
    .forward = {forward<Identity, F>, forward<Relu, F>, forward<Tanh, F>, forward<Sigmoid, F>,
                forward<Gelu, F>},
    .backward = {backward<Identity, F>, backward<Relu, F>, backward<Tanh, F>, backward<Sigmoid, F>,
                 backward<Gelu, F>},
    .softmax = softmax<F>,
};

}  // namespace

constinit const LayerKernels layer_kernels[2] = {table<float>, table<double>};

}  // namespace pyoptim::PYOPTIM_ISA
