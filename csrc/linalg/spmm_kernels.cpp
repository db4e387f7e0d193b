// Weighted sums of rows of a table, which sparse matrix multiplication is made of. Compiled once
// for each instruction set.
#include "linalg/kernel_table.hpp"

#include <cstddef>
#include <cstdint>

#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

/// Sixteen columns are summed at a time, in registers, and then the remaining ones.
template <class F, class Index>
void weighted_sum(const void* table, const void* rows, const void* weights, std::size_t count,
                  void* sums, std::size_t columns) {
  const F* const x = static_cast<const F*>(table);
  const auto* const row = static_cast<const Index*>(rows);
  const F* const weight = static_cast<const F*>(weights);
  F* const out = static_cast<F*>(sums);
  if (columns == 1) {
    *out = F(sum_in_lanes(
        count, [=](std::size_t k) { return double(weight[k]) * double(x[std::size_t(row[k])]); }));
    return;
  }
  std::size_t first = 0;
  for (; first + lanes <= columns; first += lanes) {
    LaneSums total;
    double terms[lanes];
    for (std::size_t k = 0; k < count; ++k) {
      const F* const values = x + std::size_t(row[k]) * columns + first;
      const auto scale = double(weight[k]);
#pragma omp simd
      for (std::size_t j = 0; j < lanes; ++j) terms[j] = scale * double(values[j]);
      total.add(terms);
    }
    total.write(out + first, lanes);
  }
  if (first == columns) return;
  LaneSums total;
  double terms[lanes] = {};
  for (std::size_t k = 0; k < count; ++k) {
    const F* const values = x + std::size_t(row[k]) * columns + first;
    const auto scale = double(weight[k]);
    for (std::size_t j = 0; j < columns - first; ++j) terms[j] = scale * double(values[j]);
    total.add(terms);
  }
  total.write(out + first, columns - first);
}

template <class F>
constexpr SpmmKernels table = {
    .weighted_sum = {weighted_sum<F, std::int32_t>, weighted_sum<F, std::int64_t>},
};

}  // namespace

extern const SpmmTable spmm_table;
constinit const SpmmTable spmm_table = {table<float>, table<double>};

}  // namespace pyoptim::PYOPTIM_ISA
