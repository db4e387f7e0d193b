// Numbers with two first derivatives and the mixed second one, for gradients and Hessians that are
// exact but for rounding: J. A. Fike and J. J. Alonso, The development of hyper-dual numbers
// (2011).
#pragma once

#include <cmath>

namespace pyoptim {

struct Dual {
  double value = 0;
  double a = 0;   ///< The derivative along the first direction.
  double b = 0;   ///< The derivative along the second direction.
  double ab = 0;  ///< The derivative along both.

  Dual() = default;
  Dual(double x) : value(x) {}  // NOLINT(google-explicit-constructor): a constant
  Dual(double x, double da, double db, double dab) : value(x), a(da), b(db), ab(dab) {}

  /// f(x) from f, f' and f'' at the value of x.
  static Dual chain(const Dual& x, double f, double first, double second) {
    return {f, first * x.a, first * x.b, first * x.ab + second * x.a * x.b};
  }
};

inline Dual operator+(const Dual& x, const Dual& y) {
  return {x.value + y.value, x.a + y.a, x.b + y.b, x.ab + y.ab};
}
inline Dual operator-(const Dual& x, const Dual& y) {
  return {x.value - y.value, x.a - y.a, x.b - y.b, x.ab - y.ab};
}
inline Dual operator-(const Dual& x) { return {-x.value, -x.a, -x.b, -x.ab}; }
inline Dual operator*(const Dual& x, const Dual& y) {
  return {x.value * y.value, x.a * y.value + x.value * y.a, x.b * y.value + x.value * y.b,
          x.ab * y.value + x.a * y.b + x.b * y.a + x.value * y.ab};
}
inline Dual inverse(const Dual& x) {
  const double r = 1 / x.value;
  return Dual::chain(x, r, -r * r, 2 * r * r * r);
}
inline Dual operator/(const Dual& x, const Dual& y) { return x * inverse(y); }

inline Dual exp(const Dual& x) {
  const double e = std::exp(x.value);
  return Dual::chain(x, e, e, e);
}
inline Dual log(const Dual& x) {
  return Dual::chain(x, std::log(x.value), 1 / x.value, -1 / (x.value * x.value));
}
inline Dual sin(const Dual& x) {
  return Dual::chain(x, std::sin(x.value), std::cos(x.value), -std::sin(x.value));
}
inline Dual cos(const Dual& x) {
  return Dual::chain(x, std::cos(x.value), -std::sin(x.value), -std::cos(x.value));
}
inline Dual sqrt(const Dual& x) {
  const double root = std::sqrt(x.value);
  return Dual::chain(x, root, 0.5 / root, -0.25 / (root * x.value));
}
inline Dual atan(const Dual& x) {
  const double r = 1 / (1 + x.value * x.value);
  return Dual::chain(x, std::atan(x.value), r, -2 * x.value * r * r);
}
inline Dual abs(const Dual& x) { return x.value < 0 ? -x : x; }

inline double value_of(double x) { return x; }
inline double value_of(const Dual& x) { return x.value; }

}  // namespace pyoptim
