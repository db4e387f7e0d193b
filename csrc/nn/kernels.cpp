// The loops of dense layers, except their matrix multiplications. Compiled once for each
// instruction set.
#include "nn/kernel_table.hpp"

#include <cstddef>
#include <cstdint>

#include "nn/activation.hpp"
#include "simd/philox.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

/// Applies dropout to the elements of a row and, with `Slopes`, to their derivatives.
template <bool Slopes, class F>
void drop(const Dropout& dropout, std::size_t row, F* a, F* grads, std::size_t columns) {
  constexpr std::size_t max_columns = 4 * philox_lanes;
  const auto threshold = static_cast<std::uint32_t>(dropout.rate * 0x1p32);
  const F scale = F(1 / (1 - dropout.rate));
  for (std::size_t begin = 0; begin < columns; begin += max_columns) {
    PhiloxWords random;
    for (std::size_t i = 0; i < philox_lanes; ++i) {
      random.word[i] = static_cast<std::uint32_t>(begin / 4 + i);
      random.word[i + philox_lanes] = static_cast<std::uint32_t>(row);
      random.word[i + 2 * philox_lanes] = static_cast<std::uint32_t>(dropout.draw);
      random.word[i + 3 * philox_lanes] = static_cast<std::uint32_t>(dropout.draw >> 32);
    }
    philox(random, dropout.seed);
    const std::size_t size = columns - begin < max_columns ? columns - begin : max_columns;
#pragma omp simd
    for (std::size_t j = 0; j < size; ++j) {
      const F factor = random.word[j] < threshold ? F(0) : scale;
      a[begin + j] *= factor;
      if constexpr (Slopes) grads[begin + j] *= factor;
    }
  }
}

template <class A, bool Slopes, class F>
void forward_rows(const LayerRows& layer) {
  const std::size_t columns = layer.columns;
  const F* const b = static_cast<const F*>(layer.bias);
  for (std::size_t i = 0; i < layer.rows; ++i) {
    F* const z = static_cast<F*>(layer.z) + i * columns;
    F* const a = static_cast<F*>(layer.a) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      const ValueAndGrad<F> result = A::at(F(z[j] + b[j]));
      a[j] = result.value;
      if constexpr (Slopes) z[j] = result.grad;
    }
    if (layer.dropout.rate > 0) drop<Slopes>(layer.dropout, layer.first_row + i, a, z, columns);
    if (layer.skip == nullptr) continue;
    const F* const skip = static_cast<const F*>(layer.skip) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) a[j] += skip[j];
  }
}

template <class A, class F>
void forward(const LayerRows& layer) {
  if (layer.a == layer.z)
    forward_rows<A, false, F>(layer);
  else
    forward_rows<A, true, F>(layer);
}

template <class F>
void backward(const void* d_rows, void* grad_rows, double* sums, std::size_t rows,
              std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    const F* const d = static_cast<const F*>(d_rows) + i * columns;
    if (grad_rows == nullptr) {
#pragma omp simd
      for (std::size_t j = 0; j < columns; ++j) sums[j] += double(d[j]);
      continue;
    }
    F* const grad = static_cast<F*>(grad_rows) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      grad[j] *= d[j];
      sums[j] += double(grad[j]);
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
    const F inverse_sum = F(1 / sum);
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) z[j] *= inverse_sum;
  }
}

template <class F>
constexpr LayerKernels table = {
    .forward = {forward<Identity, F>, forward<Relu, F>, forward<LeakyRelu, F>, forward<Tanh, F>,
                forward<Sigmoid, F>, forward<Gelu, F>, forward<Silu, F>},
    .backward = backward<F>,
    .softmax = softmax<F>,
};

}  // namespace

extern const LayerTable layer_table;
constinit const LayerTable layer_table = {table<float>, table<double>};

}  // namespace pyoptim::PYOPTIM_ISA
