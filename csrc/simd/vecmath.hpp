// exp, log, log(1 + x), tanh, the cube root and the logistic function in plain arithmetic on one
// element. Loops over them vectorize, and every instruction set gives the same bits. The
// polynomials are from S. Moshier's Cephes library and from Sun's fdlibm. Results are within 2.5
// units in the last place; denormal results are 0.
#pragma once

#include <cstdint>

#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// y 2^k for a whole k from -126 to 128. Uses two factors, as 2^128 itself is not a float.
inline float times_power_of_two(float y, std::uint32_t k) {
  const std::uint32_t half = ((k + 256) >> 1) - 128;
  return y * __builtin_bit_cast(float, (half + 127) << 23) *
         __builtin_bit_cast(float, (k - half + 127) << 23);
}

inline double times_power_of_two(double y, std::uint64_t k) {
  const std::uint64_t half = ((k + 2048) >> 1) - 1024;
  return y * __builtin_bit_cast(double, (half + 1023) << 52) *
         __builtin_bit_cast(double, (k - half + 1023) << 52);
}

/// e^x.
inline float exponential(float x) {
  constexpr float magic = 12582912.0F;     // 1.5 * 2^23: adding it rounds to an integer
  constexpr float lowest = -87.33654475F;  // the logarithm of the smallest normal number
  const float bounded = smaller(89.0F, larger(lowest, x));
  const float shifted = bounded * 1.44269504F + magic;
  const float k = shifted - magic;
  const float r = bounded - k * 0.693359375F + k * 2.12194440e-4F;
  float y = 1.9875691500e-4F;
  y = y * r + 1.3981999507e-3F;
  y = y * r + 8.3334519073e-3F;
  y = y * r + 4.1665795894e-2F;
  y = y * r + 1.6666665459e-1F;
  y = y * r + 5.0000001201e-1F;
  y = y * (r * r) + r + 1;
  y = times_power_of_two(
      y, __builtin_bit_cast(std::uint32_t, shifted) - __builtin_bit_cast(std::uint32_t, magic));
  return x < lowest ? 0 : y;
}

inline double exponential(double x) {
  constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
  constexpr double lowest = -708.3964185322641;
  const double bounded = smaller(710.0, larger(lowest, x));
  const double shifted = bounded * 1.4426950408889634 + magic;
  const double k = shifted - magic;
  const double r = bounded - k * 6.93145751953125e-1 - k * 1.42860682030941723212e-6;
  const double z = r * r;
  const double p = r * ((1.26177193074810590878e-4 * z + 3.02994407707441961300e-2) * z + 1.0);
  const double q = ((3.00198505138664455042e-6 * z + 2.52448340349684104192e-3) * z +
                    2.27265548208155028766e-1) *
                       z +
                   2.0;
  const double y =
      times_power_of_two(1 + 2 * (p / (q - p)), __builtin_bit_cast(std::uint64_t, shifted) -
                                                    __builtin_bit_cast(std::uint64_t, magic));
  return x < lowest ? 0 : y;
}

/// The constants of the logarithm for a type.
template <class F>
struct LogarithmOf;
template <>
struct LogarithmOf<float> {
  using Bits = std::uint32_t;
  using Integer = std::int32_t;
  static constexpr Bits root_of_half = 0x3F3504F3U;
  static constexpr int mantissa = 23;
  static constexpr float ln2_high = 6.9313812256e-01F, ln2_low = 9.0580006145e-06F;

  static float polynomial(float z) {
    float r = 0.24279078841F;
    r = r * z + 0.28498786688F;
    r = r * z + 0.40000972152F;
    r = r * z + 0.66666662693F;
    return r;
  }
};
template <>
struct LogarithmOf<double> {
  using Bits = std::uint64_t;
  using Integer = std::int64_t;
  static constexpr Bits root_of_half = 0x3FE6A09E667F3BCDU;
  static constexpr int mantissa = 52;
  static constexpr double ln2_high = 6.93147180369123816490e-01,
                          ln2_low = 1.90821492927058770002e-10;

  static double polynomial(double z) {
    double r = 1.479819860511658591e-01;
    r = r * z + 1.531383769920937332e-01;
    r = r * z + 1.818357216161805012e-01;
    r = r * z + 2.222219843214978396e-01;
    r = r * z + 2.857142874366239149e-01;
    r = r * z + 3.999999999940941908e-01;
    r = r * z + 6.666666666666735130e-01;
    return r;
  }
};

/// The natural logarithm of a positive, finite, normal x; NaN for NaN.
template <class F>
F logarithm(F x) {
  using Of = LogarithmOf<F>;
  using Bits = typename Of::Bits;
  // x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).
  const auto bits = __builtin_bit_cast(Bits, x);
  const Bits offset = bits - Of::root_of_half;
  const auto k = F(static_cast<typename Of::Integer>(offset) >> Of::mantissa);
  constexpr Bits exponent = ~Bits{0} << Of::mantissa;
  const F f = __builtin_bit_cast(F, Bits(bits - (offset & exponent))) - 1;
  const F s = f / (2 + f), z = s * s, half = F(0.5) * f * f;
  const F r = z * Of::polynomial(z);
  const F y = k * Of::ln2_high - ((half - (s * (half + r) + k * Of::ln2_low)) - f);
  return x == x ? y : x;
}

/// log(1 + x) for finite x above -1: the logarithm of the rounded sum, plus a correction for the
/// rounding.
template <class F>
F logarithm_of_one_plus(F x) {
  const F sum = 1 + x;
  const F left = x > 1 ? 1 - (sum - x) : x - (sum - 1);
  return logarithm(sum) + left / sum;
}

/// About a third of the bits, by shifts, because conversions of such integers do not vectorize on
/// all instruction sets.
inline std::uint32_t third(std::uint32_t bits) {
  const auto number = static_cast<float>(static_cast<std::int32_t>(bits));
  return static_cast<std::uint32_t>(static_cast<std::int32_t>(number * (1.0F / 3)));
}
inline std::uint64_t third(std::uint64_t bits) {
  std::uint64_t sum = (bits >> 2) + (bits >> 4);
  sum += sum >> 4;
  sum += sum >> 8;
  return sum + (sum >> 16);
}

/// The cube root of x >= 0, by Halley's method for its inverse, which needs no division.
template <class F>
F cube_root(F x) {
  F y;
  if constexpr (sizeof(F) == 4)
    y = __builtin_bit_cast(F, 0x54A21D2AU - third(__builtin_bit_cast(std::uint32_t, x)));
  else
    y = __builtin_bit_cast(F, 0x553EF0FF289DD796U - third(__builtin_bit_cast(std::uint64_t, x)));
  for (int i = 0; i < (sizeof(F) == 4 ? 2 : 3); ++i) {
    const F rest = 1 - x * y * y * y;
    y += y * rest * (F(1.0 / 3) + F(2.0 / 9) * rest);
  }
  const F root = x * y * y;
  return x < F(__builtin_huge_val()) ? root : x;
}

/// 1 / (1 + e^-x).
template <class F>
F logistic(F x) {
  return 1 / (1 + exponential(-x));
}

/// For a score z: p = 1 / (1 + e^-z), q = 1 - p, and the negative logarithms of both. Each is
/// accurate even if it is small.
template <class F>
struct Chances {
  F p, q, minus_log_p, minus_log_q;
};

/// `a` where x is negative, else `b`. Uses bits, because two selections by one comparison would
/// become a branch, which prevents vectorization.
template <class F>
F if_negative(F x, F a, F b) {
  using Of = LogarithmOf<F>;
  using Bits = typename Of::Bits;
  const auto sign = static_cast<typename Of::Integer>(__builtin_bit_cast(Bits, x));
  const auto mask = static_cast<Bits>(sign >> (8 * sizeof(F) - 1));
  return __builtin_bit_cast(
      F, Bits((__builtin_bit_cast(Bits, a) & mask) | (__builtin_bit_cast(Bits, b) & ~mask)));
}

template <class F>
Chances<F> chances(F z) {
  const F size = magnitude(z), e = exponential(-size);
  const F more = 1 / (1 + e), less = e * more, rest = logarithm_of_one_plus(e);
  const F above = if_negative(z, F(0), z), below = if_negative(z, -z, F(0));
  return {if_negative(z, less, more), if_negative(z, more, less), below + rest, above + rest};
}

/// The hyperbolic tangent.
template <class F>
F hyperbolic_tangent(F x) {
  const F z = x * x;
  const F p = (F(-9.64399179425052238628e-1) * z + F(-9.92877231001918586564e1)) * z +
              F(-1.61468768441708447952e3);
  const F q = ((z + F(1.12811678491632931402e2)) * z + F(2.23548839060100448583e3)) * z +
              F(4.84406305325125486048e3);
  const F near = x + x * z * p / q;
  const F far = 1 - 2 / (exponential(2 * magnitude(x)) + 1);
  return magnitude(x) < F(0.625) ? near : x < 0 ? -far : far;
}

}  // namespace pyoptim::PYOPTIM_ISA
