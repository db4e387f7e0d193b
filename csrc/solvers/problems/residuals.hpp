// The residuals of the 35 test problems of J. J. Moré, B. S. Garbow and K. E. Hillstrom, Testing
// unconstrained optimization software, ACM TOMS 7 (1981), in their order. Each is the start, and
// the residuals as a template of the type of numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "solvers/problems/dual.hpp"

namespace pyoptim::more_garbow_hillstrom {

// Names of problems and of their parts are those of the paper.
using std::abs, std::atan, std::cos, std::exp, std::log, std::sin, std::sqrt;

template <class T>
T square(const T& x) {
  return x * x;
}
template <class T>
T cube(const T& x) {
  return x * x * x;
}

struct Rosenbrock {
  static constexpr std::size_t n = 2, m = 2;
  static void start(double* x) { x[0] = -1.2, x[1] = 1; }
  template <class T>
  static void residuals(const T* x, T* f) {
    f[0] = 10.0 * (x[1] - square(x[0]));
    f[1] = 1.0 - x[0];
  }
};

struct FreudensteinRoth {
  static constexpr std::size_t n = 2, m = 2;
  static void start(double* x) { x[0] = 0.5, x[1] = -2; }
  template <class T>
  static void residuals(const T* x, T* f) {
    f[0] = -13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1];
    f[1] = -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1];
  }
};

struct PowellBadlyScaled {
  static constexpr std::size_t n = 2, m = 2;
  static void start(double* x) { x[0] = 0, x[1] = 1; }
  template <class T>
  static void residuals(const T* x, T* f) {
    f[0] = 1e4 * x[0] * x[1] - 1.0;
    f[1] = exp(-x[0]) + exp(-x[1]) - 1.0001;
  }
};

struct BrownBadlyScaled {
  static constexpr std::size_t n = 2, m = 3;
  static void start(double* x) { x[0] = x[1] = 1; }
  template <class T>
  static void residuals(const T* x, T* f) {
    f[0] = x[0] - 1e6;
    f[1] = x[1] - 2e-6;
    f[2] = x[0] * x[1] - 2.0;
  }
};

struct Beale {
  static constexpr std::size_t n = 2, m = 3;
  static void start(double* x) { x[0] = x[1] = 1; }
  template <class T>
  static void residuals(const T* x, T* f) {
    constexpr double y[] = {1.5, 2.25, 2.625};
    T power = x[1];
    for (std::size_t i = 0; i < m; ++i) {
      f[i] = y[i] - x[0] * (1.0 - power);
      power = power * x[1];
    }
  }
};

struct JennrichSampson {
  static constexpr std::size_t n = 2, m = 10;
  static void start(double* x) { x[0] = 0.3, x[1] = 0.4; }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < m; ++i) {
      const double k = double(i) + 1;
      f[i] = 2 + 2 * k - (exp(k * x[0]) + exp(k * x[1]));
    }
  }
};

struct HelicalValley {
  static constexpr std::size_t n = 3, m = 3;
  static void start(double* x) { x[0] = -1, x[1] = x[2] = 0; }
  template <class T>
  static void residuals(const T* x, T* f) {
    constexpr double two_pi = 6.283185307179586;
    const double turn = value_of(x[0]) < 0 ? 0.5 : 0;
    const T angle = atan(x[1] / x[0]) / two_pi + turn;
    f[0] = 10.0 * (x[2] - 10.0 * angle);
    f[1] = 10.0 * (sqrt(square(x[0]) + square(x[1])) - 1.0);
    f[2] = x[2];
  }
};

struct Bard {
  static constexpr std::size_t n = 3, m = 15;
  static void start(double* x) { std::fill_n(x, n, 1.0); }
  template <class T>
  static void residuals(const T* x, T* f) {
    constexpr double y[] = {0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39,
                            0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39};
    for (std::size_t i = 0; i < m; ++i) {
      const double u = double(i) + 1, v = 16 - u, w = std::min(u, v);
      f[i] = y[i] - (x[0] + u / (v * x[1] + w * x[2]));
    }
  }
};

struct Gaussian {
  static constexpr std::size_t n = 3, m = 15;
  static void start(double* x) { x[0] = 0.4, x[1] = 1, x[2] = 0; }
  template <class T>
  static void residuals(const T* x, T* f) {
    constexpr double y[] = {0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989,
                            0.3521, 0.2420, 0.1295, 0.0540, 0.0175, 0.0044, 0.0009};
    for (std::size_t i = 0; i < m; ++i) {
      const double t = (7 - double(i)) / 2;
      f[i] = x[0] * exp(-0.5 * x[1] * square(t - x[2])) - y[i];
    }
  }
};

struct Meyer {
  static constexpr std::size_t n = 3, m = 16;
  static void start(double* x) { x[0] = 0.02, x[1] = 4000, x[2] = 250; }
  template <class T>
  static void residuals(const T* x, T* f) {
    constexpr double y[] = {34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744,
                            8261,  7030,  6005,  5147,  4427,  3820,  3307,  2872};
    for (std::size_t i = 0; i < m; ++i) {
      const double t = 45 + 5 * (double(i) + 1);
      f[i] = x[0] * exp(x[1] / (t + x[2])) - y[i];
    }
  }
};

/// As corrected since: the paper's formula has a misprint.
struct Gulf {
  static constexpr std::size_t n = 3, m = 99;
  static void start(double* x) { x[0] = 5, x[1] = 2.5, x[2] = 0.15; }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < m; ++i) {
      const double t = (double(i) + 1) / 100;
      const double y = 25 + std::pow(-50 * std::log(t), 2.0 / 3);
      f[i] = exp(-exp(x[2] * log(abs(y - x[1]))) / x[0]) - t;
    }
  }
};

struct Box {
  static constexpr std::size_t n = 3, m = 10;
  static void start(double* x) { x[0] = 0, x[1] = 10, x[2] = 20; }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < m; ++i) {
      const double t = 0.1 * (double(i) + 1);
      f[i] = exp(-t * x[0]) - exp(-t * x[1]) - x[2] * (std::exp(-t) - std::exp(-10 * t));
    }
  }
};

/// n is a multiple of 4; n = 4 is the problem of its own.
template <std::size_t Size>
struct PowellSingular {
  static constexpr std::size_t n = Size, m = Size;
  static void start(double* x) {
    for (std::size_t i = 0; i < n; i += 4) x[i] = 3, x[i + 1] = -1, x[i + 2] = 0, x[i + 3] = 1;
  }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < n; i += 4) {
      f[i] = x[i] + 10.0 * x[i + 1];
      f[i + 1] = std::sqrt(5.0) * (x[i + 2] - x[i + 3]);
      f[i + 2] = square(x[i + 1] - 2.0 * x[i + 2]);
      f[i + 3] = std::sqrt(10.0) * square(x[i] - x[i + 3]);
    }
  }
};

struct Wood {
  static constexpr std::size_t n = 4, m = 6;
  static void start(double* x) { x[0] = x[2] = -3, x[1] = x[3] = -1; }
  template <class T>
  static void residuals(const T* x, T* f) {
    f[0] = 10.0 * (x[1] - square(x[0]));
    f[1] = 1.0 - x[0];
    f[2] = std::sqrt(90.0) * (x[3] - square(x[2]));
    f[3] = 1.0 - x[2];
    f[4] = std::sqrt(10.0) * (x[1] + x[3] - 2.0);
    f[5] = (x[1] - x[3]) / std::sqrt(10.0);
  }
};

struct KowalikOsborne {
  static constexpr std::size_t n = 4, m = 11;
  static void start(double* x) { x[0] = 0.25, x[1] = 0.39, x[2] = 0.415, x[3] = 0.39; }
  template <class T>
  static void residuals(const T* x, T* f) {
    constexpr double y[] = {0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627,
                            0.0456, 0.0342, 0.0323, 0.0235, 0.0246};
    constexpr double u[] = {4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625};
    for (std::size_t i = 0; i < m; ++i)
      f[i] = y[i] - x[0] * (u[i] * u[i] + u[i] * x[1]) / (u[i] * u[i] + u[i] * x[2] + x[3]);
  }
};

struct BrownDennis {
  static constexpr std::size_t n = 4, m = 20;
  static void start(double* x) { x[0] = 25, x[1] = 5, x[2] = -5, x[3] = -1; }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < m; ++i) {
      const double t = (double(i) + 1) / 5;
      f[i] =
          square(x[0] + t * x[1] - std::exp(t)) + square(x[2] + x[3] * std::sin(t) - std::cos(t));
    }
  }
};

struct Osborne1 {
  static constexpr std::size_t n = 5, m = 33;
  static void start(double* x) { x[0] = 0.5, x[1] = 1.5, x[2] = -1, x[3] = 0.01, x[4] = 0.02; }
  template <class T>
  static void residuals(const T* x, T* f) {
    constexpr double y[] = {0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818,
                            0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558,
                            0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438,
                            0.431, 0.424, 0.420, 0.414, 0.411, 0.406};
    for (std::size_t i = 0; i < m; ++i) {
      const double t = 10 * double(i);
      f[i] = y[i] - (x[0] + x[1] * exp(-t * x[3]) + x[2] * exp(-t * x[4]));
    }
  }
};

struct BiggsExp6 {
  static constexpr std::size_t n = 6, m = 13;
  static void start(double* x) {
    std::fill_n(x, n, 1.0);
    x[1] = 2;
  }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < m; ++i) {
      const double t = 0.1 * (double(i) + 1);
      const double y = std::exp(-t) - 5 * std::exp(-10 * t) + 3 * std::exp(-4 * t);
      f[i] = x[2] * exp(-t * x[0]) - x[3] * exp(-t * x[1]) + x[5] * exp(-t * x[4]) - y;
    }
  }
};

struct Osborne2 {
  static constexpr std::size_t n = 11, m = 65;
  static void start(double* x) {
    constexpr double at[] = {1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5};
    std::copy_n(at, n, x);
  }
  template <class T>
  static void residuals(const T* x, T* f) {
    constexpr double y[] = {
        1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608,
        0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661,
        0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428,
        0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559,
        0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054};
    for (std::size_t i = 0; i < m; ++i) {
      const double t = double(i) / 10;
      f[i] = y[i] - (x[0] * exp(-t * x[4]) + x[1] * exp(-square(t - x[8]) * x[5]) +
                     x[2] * exp(-square(t - x[9]) * x[6]) + x[3] * exp(-square(t - x[10]) * x[7]));
    }
  }
};

struct Watson {
  static constexpr std::size_t n = 6, m = 31;
  static void start(double* x) { std::fill_n(x, n, 0.0); }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < 29; ++i) {
      const double t = (double(i) + 1) / 29;
      T value = 0.0, derivative = 0.0;
      double power = 1;  // t^j
      for (std::size_t j = 0; j < n; ++j) {
        value = value + power * x[j];
        if (j + 1 < n) derivative = derivative + (double(j) + 1) * power * x[j + 1];
        power *= t;
      }
      f[i] = derivative - square(value) - 1.0;
    }
    f[29] = x[0];
    f[30] = x[1] - square(x[0]) - 1.0;
  }
};

struct ExtendedRosenbrock {
  static constexpr std::size_t n = 10, m = 10;
  static void start(double* x) {
    for (std::size_t i = 0; i < n; i += 2) x[i] = -1.2, x[i + 1] = 1;
  }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < n; i += 2) {
      f[i] = 10.0 * (x[i + 1] - square(x[i]));
      f[i + 1] = 1.0 - x[i];
    }
  }
};

struct Penalty1 {
  static constexpr std::size_t n = 10, m = 11;
  static void start(double* x) {
    for (std::size_t i = 0; i < n; ++i) x[i] = double(i) + 1;
  }
  template <class T>
  static void residuals(const T* x, T* f) {
    T sum = -0.25;
    for (std::size_t i = 0; i < n; ++i) {
      f[i] = std::sqrt(1e-5) * (x[i] - 1.0);
      sum = sum + square(x[i]);
    }
    f[n] = sum;
  }
};

struct Penalty2 {
  static constexpr std::size_t n = 10, m = 20;
  static void start(double* x) { std::fill_n(x, n, 0.5); }
  template <class T>
  static void residuals(const T* x, T* f) {
    const double root = std::sqrt(1e-5);
    f[0] = x[0] - 0.2;
    T sum = double(n) * square(x[0]) - 1.0;
    for (std::size_t i = 1; i < n; ++i) {
      const double k = double(i) + 1;
      const double y = std::exp(k / 10) + std::exp((k - 1) / 10);
      f[i] = root * (exp(0.1 * x[i]) + exp(0.1 * x[i - 1]) - y);
      f[n + i - 1] = root * (exp(0.1 * x[i]) - std::exp(-0.1));
      sum = sum + (double(n) - double(i)) * square(x[i]);
    }
    f[m - 1] = sum;
  }
};

struct VariablyDimensioned {
  static constexpr std::size_t n = 10, m = 12;
  static void start(double* x) {
    for (std::size_t i = 0; i < n; ++i) x[i] = 1 - (double(i) + 1) / double(n);
  }
  template <class T>
  static void residuals(const T* x, T* f) {
    T sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      f[i] = x[i] - 1.0;
      sum = sum + (double(i) + 1) * f[i];
    }
    f[n] = sum;
    f[n + 1] = square(sum);
  }
};

struct Trigonometric {
  static constexpr std::size_t n = 10, m = 10;
  static void start(double* x) { std::fill_n(x, n, 1.0 / double(n)); }
  template <class T>
  static void residuals(const T* x, T* f) {
    T sum = double(n);
    for (std::size_t i = 0; i < n; ++i) sum = sum - cos(x[i]);
    for (std::size_t i = 0; i < n; ++i)
      f[i] = sum + (double(i) + 1) * (1.0 - cos(x[i])) - sin(x[i]);
  }
};

struct BrownAlmostLinear {
  static constexpr std::size_t n = 10, m = 10;
  static void start(double* x) { std::fill_n(x, n, 0.5); }
  template <class T>
  static void residuals(const T* x, T* f) {
    T sum = -(double(n) + 1), product = 1.0;
    for (std::size_t i = 0; i < n; ++i) {
      sum = sum + x[i];
      product = product * x[i];
    }
    for (std::size_t i = 0; i + 1 < n; ++i) f[i] = x[i] + sum;
    f[n - 1] = product - 1.0;
  }
};

struct DiscreteBoundaryValue {
  static constexpr std::size_t n = 10, m = 10;
  static constexpr double h = 1.0 / (double(n) + 1);
  static void start(double* x) {
    for (std::size_t i = 0; i < n; ++i) {
      const double t = (double(i) + 1) * h;
      x[i] = t * (t - 1);
    }
  }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < n; ++i) {
      const T before = i > 0 ? x[i - 1] : T(0.0), after = i + 1 < n ? x[i + 1] : T(0.0);
      const double t = (double(i) + 1) * h;
      f[i] = 2.0 * x[i] - before - after + (h * h / 2) * cube(x[i] + (t + 1));
    }
  }
};

struct DiscreteIntegral {
  static constexpr std::size_t n = 10, m = 10;
  static constexpr double h = DiscreteBoundaryValue::h;
  static void start(double* x) { DiscreteBoundaryValue::start(x); }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < n; ++i) {
      const double t = (double(i) + 1) * h;
      T sum = 0.0;
      for (std::size_t j = 0; j < n; ++j) {
        const double s = (double(j) + 1) * h;
        sum = sum + (j <= i ? (1 - t) * s : t * (1 - s)) * cube(x[j] + (s + 1));
      }
      f[i] = x[i] + (h / 2) * sum;
    }
  }
};

struct BroydenTridiagonal {
  static constexpr std::size_t n = 10, m = 10;
  static void start(double* x) { std::fill_n(x, n, -1.0); }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < n; ++i) {
      const T before = i > 0 ? x[i - 1] : T(0.0), after = i + 1 < n ? x[i + 1] : T(0.0);
      f[i] = (3.0 - 2.0 * x[i]) * x[i] - before - 2.0 * after + 1.0;
    }
  }
};

struct BroydenBanded {
  static constexpr std::size_t n = 10, m = 10;
  static void start(double* x) { std::fill_n(x, n, -1.0); }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < n; ++i) {
      T sum = x[i] * (2.0 + 5.0 * square(x[i])) + 1.0;
      const std::size_t first = i > 5 ? i - 5 : 0, last = std::min(n - 1, i + 1);
      for (std::size_t j = first; j <= last; ++j)
        if (j != i) sum = sum - x[j] * (1.0 + x[j]);
      f[i] = sum;
    }
  }
};

struct LinearFullRank {
  static constexpr std::size_t n = 10, m = 20;
  static void start(double* x) { std::fill_n(x, n, 1.0); }
  template <class T>
  static void residuals(const T* x, T* f) {
    T sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum = sum + x[i];
    for (std::size_t i = 0; i < m; ++i) {
      f[i] = (-2 / double(m)) * sum - 1.0;
      if (i < n) f[i] = f[i] + x[i];
    }
  }
};

struct LinearRank1 {
  static constexpr std::size_t n = 10, m = 20;
  static void start(double* x) { std::fill_n(x, n, 1.0); }
  template <class T>
  static void residuals(const T* x, T* f) {
    T sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum = sum + (double(i) + 1) * x[i];
    for (std::size_t i = 0; i < m; ++i) f[i] = (double(i) + 1) * sum - 1.0;
  }
};

struct LinearRank1WithZeros {
  static constexpr std::size_t n = 10, m = 20;
  static void start(double* x) { std::fill_n(x, n, 1.0); }
  template <class T>
  static void residuals(const T* x, T* f) {
    T sum = 0.0;
    for (std::size_t i = 1; i + 1 < n; ++i) sum = sum + (double(i) + 1) * x[i];
    f[0] = f[m - 1] = -1.0;
    for (std::size_t i = 1; i + 1 < m; ++i) f[i] = double(i) * sum - 1.0;
  }
};

struct Chebyquad {
  static constexpr std::size_t n = 8, m = 8;
  static void start(double* x) {
    for (std::size_t i = 0; i < n; ++i) x[i] = (double(i) + 1) / (double(n) + 1);
  }
  template <class T>
  static void residuals(const T* x, T* f) {
    for (std::size_t i = 0; i < m; ++i) {
      const double k = double(i) + 1;
      f[i] = i % 2 == 1 ? 1 / (k * k - 1) : 0.0;  // minus the integral
    }
    for (std::size_t j = 0; j < n; ++j) {
      const T t = 2.0 * x[j] - 1.0;  // the polynomials are shifted to [0, 1]
      T before = 1.0, polynomial = t;
      for (std::size_t i = 0; i < m; ++i) {
        f[i] = f[i] + polynomial / double(n);
        const T next = 2.0 * t * polynomial - before;
        before = polynomial;
        polynomial = next;
      }
    }
  }
};

}  // namespace pyoptim::more_garbow_hillstrom
