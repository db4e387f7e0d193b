// The activation functions of dense layers: value of z, and slope given z and a = value(z).
#pragma once

#include "engine/elementary.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Identity {
  template <class F>
  static F value(F z) {
    return z;
  }
  template <class F>
  static F slope(F /*z*/, F /*a*/) {
    return 1;
  }
};

struct Relu {
  template <class F>
  static F value(F z) {
    return larger(F(0), z);  // NaN stays NaN
  }
  template <class F>
  static F slope(F /*z*/, F a) {
    return a > 0 ? F(1) : F(0);
  }
};

struct Tanh {
  template <class F>
  static F value(F z) {
    return hyperbolic_tangent(z);
  }
  template <class F>
  static F slope(F /*z*/, F a) {
    return 1 - a * a;
  }
};

struct Sigmoid {
  template <class F>
  static F value(F z) {
    return logistic(z);
  }
  template <class F>
  static F slope(F /*z*/, F a) {
    return a * (1 - a);
  }
};

/// z times the normal distribution function of z, by the approximation
/// z logistic(2 sqrt(2/pi) (z + 0.044715 z^3)) of Hendrycks and Gimpel, arXiv:1606.08415.
struct Gelu {
  static constexpr double factor = 1.5957691216057308;  // 2 sqrt(2 / pi)
  template <class F>
  static F value(F z) {
    return z * logistic(F(factor) * (z + F(0.044715) * z * z * z));
  }
  template <class F>
  static F slope(F z, F /*a*/) {
    const F s = logistic(F(factor) * (z + F(0.044715) * z * z * z));
    return s + z * s * (1 - s) * F(factor) * (1 + F(3 * 0.044715) * z * z);
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
