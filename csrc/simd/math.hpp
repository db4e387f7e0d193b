// Arithmetic on one element, written so that loops over it vectorize. Every function is plain IEEE
// arithmetic in a fixed order, so all instruction sets give the same bits. No standard header with
// inline functions is included, because the linker could use a copy compiled for one CPU on all
// CPUs.
#pragma once

#include <cstdint>

#ifndef PYOPTIM_ISA
#define PYOPTIM_ISA baseline
#endif

namespace pyoptim::PYOPTIM_ISA {

inline float square_root(float x) { return __builtin_sqrtf(x); }
inline double square_root(double x) { return __builtin_sqrt(x); }
inline float magnitude(float x) { return __builtin_fabsf(x); }
inline double magnitude(double x) { return __builtin_fabs(x); }
inline double power(double x, double y) { return __builtin_pow(x, y); }
inline double natural_logarithm(double x) { return __builtin_log(x); }

/// Rounds a scalar of a step to the type F. Numbers that are too large or too small for F become
/// the nearest number that is neither 0 nor infinite, so that rounding does not create a NaN in
/// later quotients and products.
template <class F>
F narrow(double x) {
  constexpr bool is_double = sizeof(F) == sizeof(double);
  constexpr double lowest = is_double ? __DBL_MIN__ : double(__FLT_MIN__);
  constexpr double highest = is_double ? __DBL_MAX__ : double(__FLT_MAX__);
  const double size = magnitude(x);
  if (size > highest) return x < 0 ? -F(highest) : F(highest);
  if (size > 0 && size < lowest) return x < 0 ? -F(lowest) : F(lowest);
  return F(x);
}

/// The larger number. If b is NaN, the result is NaN.
template <class F>
F larger(F a, F b) {
  return a > b ? a : b;
}

/// The smaller number. If b is NaN, the result is NaN.
template <class F>
F smaller(F a, F b) {
  return a < b ? a : b;
}

/// -1, 0 or 1, and NaN for NaN.
template <class F>
F sign(F x) {
  return x > 0 ? F(1) : x < 0 ? F(-1) : x;
}

/// The distance from 1 to the next larger number.
template <class F>
inline constexpr F epsilon = sizeof(F) == sizeof(double) ? F(__DBL_EPSILON__) : F(__FLT_EPSILON__);

/// The largest number of a type.
template <class F>
inline constexpr F largest_number = sizeof(F) == sizeof(double) ? F(__DBL_MAX__) : F(__FLT_MAX__);

}  // namespace pyoptim::PYOPTIM_ISA
