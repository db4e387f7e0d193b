// Sums and maxima whose order is fixed, so that every instruction set gives the same bits.
#pragma once

#include <cstddef>

#include "engine/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// The sum of term(0) to term(size - 1) in double: term i goes to lane i modulo 16, and the lanes
/// are added in order. `term` may have side effects on element i.
template <class Term>
double sum_in_lanes(std::size_t size, const Term& term) {
  constexpr std::size_t lanes = 16;
  double lane[lanes] = {};
  const std::size_t whole = size - size % lanes;
  for (std::size_t i = 0; i < whole; i += lanes) {
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j) lane[j] += double(term(i + j));
  }
  for (std::size_t i = whole; i < size; ++i) lane[i - whole] += double(term(i));
  double sum = 0;
  for (const double part : lane) sum += part;
  return sum;
}

/// The largest of `size` values, of which there is at least one; NaN does not count.
template <class F>
F largest_in_lanes(const F* x, std::size_t size) {
  constexpr std::size_t lanes = 16;
  F lane[lanes];
  for (F& most : lane) most = x[0];
  const std::size_t whole = size - size % lanes;
  for (std::size_t i = 0; i < whole; i += lanes) {
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j) lane[j] = larger(x[i + j], lane[j]);
  }
  for (std::size_t i = whole; i < size; ++i) lane[i - whole] = larger(x[i], lane[i - whole]);
  F most = lane[0];
  for (const F value : lane) most = larger(value, most);
  return most;
}

}  // namespace pyoptim::PYOPTIM_ISA
