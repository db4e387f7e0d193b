// Arithmetic on one element, written so that loops over it vectorise. Every function is plain
// IEEE arithmetic in a fixed order, so all instruction sets give the same bits. Standard headers
// with inline functions are kept out: a copy compiled for one CPU could be linked into all.
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

/// A scalar of a step as elements are computed with: a number that is too large or too small for F
/// becomes the nearest one that is neither 0 nor infinite, so that no quotient or product of it is
/// NaN that was none before.
template <class F>
F narrow(double x) {
  constexpr bool is_double = sizeof(F) == sizeof(double);
  constexpr double least = is_double ? __DBL_MIN__ : double(__FLT_MIN__);
  constexpr double most = is_double ? __DBL_MAX__ : double(__FLT_MAX__);
  const double size = magnitude(x);
  if (size > most) return x < 0 ? -F(most) : F(most);
  if (size > 0 && size < least) return x < 0 ? -F(least) : F(least);
  return F(x);
}

/// The larger number; a NaN in b is kept.
template <class F>
F larger(F a, F b) {
  return a > b ? a : b;
}

/// The smaller number; a NaN in b is kept.
template <class F>
F smaller(F a, F b) {
  return a < b ? a : b;
}

/// -1, 0 or 1, and NaN for NaN.
template <class F>
F sign(F x) {
  return x > 0 ? F(1) : x < 0 ? F(-1) : x;
}

/// The distance from 1 to the next number.
template <class F>
inline constexpr F epsilon = sizeof(F) == sizeof(double) ? F(__DBL_EPSILON__) : F(__FLT_EPSILON__);

/// The largest number of a type.
template <class F>
inline constexpr F largest_number = sizeof(F) == sizeof(double) ? F(__DBL_MAX__) : F(__FLT_MAX__);

}  // namespace pyoptim::PYOPTIM_ISA
