// Normalization of the rows or columns of a layer. Compiled once for each instruction set.
#include <cstddef>

#include "nn/kernel_table.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

template <class F>
void rows(void* z_rows, const void* weights, void* scaled_rows, double* factors, double eps,
          std::size_t rows, std::size_t columns) {
  const F* const weight = static_cast<const F*>(weights);
  for (std::size_t i = 0; i < rows; ++i) {
    F* const z = static_cast<F*>(z_rows) + i * columns;
    F* const scaled = static_cast<F*>(scaled_rows) + i * columns;
    const double mean =
        sum_in_lanes(columns, [=](std::size_t j) { return double(z[j]); }) / double(columns);
    const double squares = sum_in_lanes(columns, [=](std::size_t j) {
      const double off = double(z[j]) - mean;
      return off * off;
    });
    const double factor = 1 / square_root(squares / double(columns) + eps);
    if (factors != nullptr) factors[i] = factor;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      const F normal = F((double(z[j]) - mean) * factor);
      z[j] = normal;
      scaled[j] = normal * weight[j];
    }
  }
}

template <class F>
void rows_back(void* d_rows, const void* normal_rows, const void* weights, const double* factors,
               double* weight_sums, std::size_t rows, std::size_t columns) {
  const F* const weight = static_cast<const F*>(weights);
  for (std::size_t i = 0; i < rows; ++i) {
    F* const d = static_cast<F*>(d_rows) + i * columns;
    const F* const normal = static_cast<const F*>(normal_rows) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      weight_sums[j] += double(d[j]) * double(normal[j]);
      d[j] *= weight[j];
    }
    const auto count = double(columns);
    const double mean = sum_in_lanes(columns, [=](std::size_t j) { return double(d[j]); }) / count;
    const double product =
        sum_in_lanes(columns, [=](std::size_t j) { return double(d[j]) * double(normal[j]); }) /
        count;
    const double factor = factors[i];
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j)
      d[j] = F((double(d[j]) - mean - double(normal[j]) * product) * factor);
  }
}

template <class F>
void column_sums(const void* z_rows, const double* mean, double* sums, std::size_t rows,
                 std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    const F* const z = static_cast<const F*>(z_rows) + i * columns;
    if (mean == nullptr) {
#pragma omp simd
      for (std::size_t j = 0; j < columns; ++j) sums[j] += double(z[j]);
      continue;
    }
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      const double off = double(z[j]) - mean[j];
      sums[j] += off * off;
    }
  }
}

template <class F>
void columns(void* z_rows, const double* mean, const double* factors, const void* weights,
             void* scaled_rows, std::size_t rows, std::size_t columns) {
  const F* const weight = static_cast<const F*>(weights);
  for (std::size_t i = 0; i < rows; ++i) {
    F* const z = static_cast<F*>(z_rows) + i * columns;
    F* const scaled = static_cast<F*>(scaled_rows) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      const F normal = F((double(z[j]) - mean[j]) * factors[j]);
      z[j] = normal;
      scaled[j] = normal * weight[j];
    }
  }
}

template <class F>
void column_grads(const void* d_rows, const void* normal_rows, double* sums, double* weight_sums,
                  std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    const F* const d = static_cast<const F*>(d_rows) + i * columns;
    const F* const normal = static_cast<const F*>(normal_rows) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      sums[j] += double(d[j]);
      weight_sums[j] += double(d[j]) * double(normal[j]);
    }
  }
}

template <class F>
void columns_back(void* d_rows, const void* normal_rows, const double* mean, const double* product,
                  const double* factors, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    F* const d = static_cast<F*>(d_rows) + i * columns;
    const F* const normal = static_cast<const F*>(normal_rows) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j)
      d[j] = F((double(d[j]) - mean[j] - double(normal[j]) * product[j]) * factors[j]);
  }
}

template <class F>
constexpr NormKernels table = {
    .rows = rows<F>,
    .rows_back = rows_back<F>,
    .column_sums = column_sums<F>,
    .columns = columns<F>,
    .column_grads = column_grads<F>,
    .columns_back = columns_back<F>,
};

}  // namespace

extern const NormTable norm_table;
constinit const NormTable norm_table = {table<float>, table<double>};

}  // namespace pyoptim::PYOPTIM_ISA
