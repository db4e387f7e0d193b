// The activation functions of dense layers: their values and derivatives at z.
#pragma once

#include "simd/vecmath.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <class F>
struct ValueAndGrad {
  F value, grad;
};

struct Identity {
  template <class F>
  static ValueAndGrad<F> at(F z) {
    return {z, 1};
  }
};

struct Relu {
  template <class F>
  static ValueAndGrad<F> at(F z) {
    return {larger(F(0), z), z > 0 ? F(1) : F(0)};  // NaN stays NaN
  }
};

struct LeakyRelu {
  static constexpr double grad_below_0 = 0.01;
  template <class F>
  static ValueAndGrad<F> at(F z) {
    const F grad = z > 0 ? F(1) : F(grad_below_0);
    return {grad * z, grad};
  }
};

struct Tanh {
  template <class F>
  static ValueAndGrad<F> at(F z) {
    const F a = hyperbolic_tangent(z);
    return {a, 1 - a * a};
  }
};

struct Sigmoid {
  template <class F>
  static ValueAndGrad<F> at(F z) {
    const F a = logistic(z);
    return {a, a * (1 - a)};
  }
};

/// z times the normal distribution function of z, by the approximation
/// z logistic(2 sqrt(2/pi) (z + 0.044715 z^3)) of Hendrycks and Gimpel, arXiv:1606.08415.
struct Gelu {
  static constexpr double factor = 1.5957691216057308;  // 2 sqrt(2 / pi)
  static constexpr double flat_from = 16;               // there the derivative is 0 or 1
  template <class F>
  static ValueAndGrad<F> at(F z) {
    const F s = logistic(F(factor) * (z + F(0.044715) * z * z * z));
    const F near = smaller(F(flat_from), larger(F(-flat_from), z));
    return {z * s, s + near * s * (1 - s) * F(factor) * (1 + F(3 * 0.044715) * near * near)};
  }
};

/// z logistic(z), also called swish: Hendrycks and Gimpel, arXiv:1606.08415.
struct Silu {
  template <class F>
  static ValueAndGrad<F> at(F z) {
    const F s = logistic(z);
    return {z * s, s * (1 + z * (1 - s))};
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
