// How states are kept in fewer bits between steps, and what else is done to a block of parameters
// while it is in cache. Compiled once for each instruction set.
#include "storage/kernels.hpp"

#include <cstddef>
#include <cstdint>

#include "engine/dtype.hpp"
#include "engine/sum.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

/// Where elements are rounded up in 2^32 equal steps: spread evenly over any stretch of elements,
/// as multiples of the golden ratio are. The key of a step is random, so that each element's place
/// is.
class Thresholds {
 public:
  Thresholds(std::size_t first, std::uint32_t key)
      : start_(static_cast<std::uint32_t>(first) * golden + key) {}
  std::uint32_t operator[](std::size_t i) const {
    return start_ + static_cast<std::uint32_t>(i) * golden;
  }

 private:
  static constexpr std::uint32_t golden = 0x9E3779B1U;
  std::uint32_t start_;
};

void decode_bfloat16(const void* codes, const float* /*scales*/, float* values, std::size_t size) {
  const auto* const from = static_cast<const bfloat16*>(codes);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) values[i] = load(from[i]);
}

template <bool Stochastic>
void encode_bfloat16(const float* values, void* codes, float* /*scales*/, std::size_t size,
                     std::size_t first, std::uint32_t key) {
  auto* const to = static_cast<bfloat16*>(codes);
  const Thresholds thresholds(first, key);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) {
    if constexpr (Stochastic) {
      const auto bits = __builtin_bit_cast(std::uint32_t, values[i]);
      const std::uint32_t rounded = (bits + (thresholds[i] >> 16)) >> 16;
      const std::uint32_t quiet_nan = (bits >> 16) | 0x40U;
      // Infinity stays what it is: its lower bits are 0.
      to[i].bits =
          static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? quiet_nan : rounded);
    } else {
      store(to[i], values[i]);
    }
  }
}

// In how many registers 16 numbers of 4 bytes are.
#if defined(__AVX512F__)
constexpr std::size_t parts = 1;
#elif defined(__AVX2__)
constexpr std::size_t parts = 2;
#else
constexpr std::size_t parts = 4;
#endif

// The 8 bits of a value are those of a float whose exponent has 4 bits, below a block's largest:
// a sign and 3 bits of mantissa, or 4 of them where all of a block's values are at least 0; then
// its scale is negative. Code 0 is 0. A scale is NaN where a value is not finite.
template <bool Signed>
struct Float8 {
  static constexpr int mantissa = Signed ? 3 : 4;
  static constexpr int shift = 23 - mantissa;
  static constexpr std::int32_t most_code = Signed ? 127 : 255;
  static constexpr std::int32_t bias = (127 - 15) << mantissa;
  static constexpr float most = 2 - 1.0F / (1 << mantissa);   // what the largest code stands for
  static constexpr float below_most = most * (1 - 0x1p-20F);  // never rounded to more than that

  static float decode(std::int32_t code, float unit) {
    const std::int32_t magnitude = code & most_code;
    const auto value = __builtin_bit_cast(float, (magnitude + bias) << shift) * unit;
    const float size = magnitude == 0 ? 0.0F : value;
    return Signed && code > most_code ? -size : size;
  }
  /// `value` times `unit` is at most below_most in magnitude; `rounding` is below 1 << shift.
  static std::int32_t encode(float value, float unit, std::int32_t rounding) {
    const auto bits = __builtin_bit_cast(std::int32_t, value * unit);
    const std::int32_t rounded = ((bits & 0x7FFFFFFF) + (rounding - (bias << shift))) >> shift;
    // What is above 0 and is to be divided by stays so.
    const std::int32_t least = !Signed && value > 0 ? 1 : 0;
    const std::int32_t code = rounded > least ? rounded : least;
    return Signed ? code | ((bits >> 24) & 0x80) : code;
  }
};

template <bool Signed>
[[gnu::always_inline]] inline void decode_block(const std::uint8_t* codes, float scale,
                                                float* values, std::size_t size) {
  const float unit = (Signed ? scale : -scale) / Float8<Signed>::most;
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i)
    values[i] = Float8<Signed>::decode(std::int32_t{codes[i]}, unit);
}

/// Calls work(begin, size) for each block of values that share a scale; the size of all but the
/// last is a constant of the compiler's.
template <class Work>
[[gnu::always_inline]] inline void by_scale(std::size_t size, const Work& work) {
  const std::size_t whole = size - size % scale_block;
  for (std::size_t begin = 0; begin < whole; begin += scale_block) work(begin, scale_block);
  if (whole < size) work(whole, size - whole);
}

void decode_float8(const void* codes, const float* scales, float* values, std::size_t size) {
  const auto* const code = static_cast<const std::uint8_t*>(codes);
  by_scale(
      size, [=](std::size_t begin, std::size_t part) __attribute__((always_inline)) {
        const float scale = scales[begin / scale_block];
        if (scale < 0)
          decode_block<false>(code + begin, scale, values + begin, part);
        else
          decode_block<true>(code + begin, scale, values + begin, part);
      });
}

/// A block's largest magnitude, by bits, and whether a sign is set.
struct Extent {
  std::int32_t magnitude;
  bool negative;
};

inline Extent extent_of(const float* values, std::size_t size) {
  // Vectors of the compiler's own stay in registers, where arrays would not.
  using Bits = std::int32_t __attribute__((vector_size(lanes * sizeof(float) / parts)));
  constexpr std::size_t width = lanes / parts;
  Bits largest[parts] = {}, all[parts] = {};
  const std::size_t whole = size - size % lanes;
  for (std::size_t i = 0; i < whole; i += lanes)
    for (std::size_t part = 0; part < parts; ++part) {
      Bits bits;
      __builtin_memcpy(&bits, values + i + part * width, sizeof bits);
      const Bits magnitude = bits & 0x7FFFFFFF;
      largest[part] = magnitude > largest[part] ? magnitude : largest[part];
      all[part] |= bits;
    }
  std::int32_t most[lanes], any[lanes];
  __builtin_memcpy(most, largest, sizeof most);
  __builtin_memcpy(any, all, sizeof any);
  for (std::size_t i = whole; i < size; ++i) {
    const auto bits = __builtin_bit_cast(std::int32_t, values[i]);
    const std::int32_t magnitude = bits & 0x7FFFFFFF;
    most[0] = magnitude > most[0] ? magnitude : most[0];
    any[0] |= bits;
  }
  for (std::size_t half = lanes / 2; half > 0; half /= 2) {
#pragma omp simd
    for (std::size_t j = 0; j < half; ++j) {
      most[j] = most[j] > most[j + half] ? most[j] : most[j + half];
      any[j] |= any[j + half];
    }
  }
  return {most[0], any[0] < 0};
}

template <bool Signed, bool Stochastic>
[[gnu::always_inline]] inline void encode_block(const float* values, std::uint8_t* codes,
                                                float most, std::size_t size, std::size_t first,
                                                std::uint32_t key) {
  using Code = Float8<Signed>;
  const float unit = Code::below_most / most;
  const Thresholds thresholds(first, key);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) {
    const std::int32_t rounding =
        Stochastic ? std::int32_t(thresholds[i] >> (32 - Code::shift)) : 1 << (Code::shift - 1);
    codes[i] = std::uint8_t(Code::encode(values[i], unit, rounding));
  }
}

template <bool Stochastic>
void encode_float8(const float* values, void* codes, float* scales, std::size_t size,
                   std::size_t first, std::uint32_t key) {
  auto* const code = static_cast<std::uint8_t*>(codes);
  by_scale(
      size, [=](std::size_t begin, std::size_t part) __attribute__((always_inline)) {
        float* const scale = scales + begin / scale_block;
        const Extent extent = extent_of(values + begin, part);
        const auto most = __builtin_bit_cast(float, extent.magnitude);
        if (extent.magnitude >= 0x7F800000 || extent.magnitude < 0x00800000) {
          // Not finite, or nothing but zeros.
          const bool none = extent.magnitude < 0x00800000;
          *scale = none ? 0 : __builtin_nanf("");
          __builtin_memset(code + begin, none ? 0 : 1, part);
        } else if (extent.negative) {
          *scale = most;
          encode_block<true, Stochastic>(values + begin, code + begin, most, part, first + begin,
                                         key);
        } else {
          *scale = -most;
          encode_block<false, Stochastic>(values + begin, code + begin, most, part, first + begin,
                                          key);
        }
      });
}

/// float32 from the halves of its bits, and back.
void join(const void* high, const void* low, float* values, std::size_t size) {
  const auto* const upper = static_cast<const std::uint16_t*>(high);
  const auto* const lower = static_cast<const std::uint16_t*>(low);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i)
    values[i] = __builtin_bit_cast(float, (std::uint32_t{upper[i]} << 16) | lower[i]);
}

void split(const float* values, void* high, void* low, std::size_t size) {
  auto* const upper = static_cast<std::uint16_t*>(high);
  auto* const lower = static_cast<std::uint16_t*>(low);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) {
    const auto bits = __builtin_bit_cast(std::uint32_t, values[i]);
    upper[i] = static_cast<std::uint16_t>(bits >> 16);
    lower[i] = static_cast<std::uint16_t>(bits);
  }
}

void refresh(const void* rounded, float* values, std::size_t size) {
  const auto* const from = static_cast<const bfloat16*>(rounded);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) {
    bfloat16 now;
    store(now, values[i]);
    values[i] = now.bits == from[i].bits ? values[i] : load(from[i]);
  }
}

/// average <- decay average + (1 - decay) p.
template <class T>
void average(const void* param, void* mean, double decay, std::size_t size) {
  using F = Arithmetic<T>;
  const T* const p = static_cast<const T*>(param);
  F* const m = static_cast<F*>(mean);
  const F kept = F(decay), share = F(1 - decay);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) m[i] = kept * m[i] + share * load(p[i]);
}

/// An element's update without weight decay, and its gradient with the sign that it is gone down.
template <class F>
struct Compared {
  const F* param;
  const F* before;
  const F* grad;
  F sign, keep, factor;

  Compared(const void* p, const void* old, const void* g, const Direction& direction)
      : param(static_cast<const F*>(p)),
        before(static_cast<const F*>(old)),
        grad(static_cast<const F*>(g)),
        sign(F(direction.sign)),
        keep(F(direction.keep)),
        factor(F(direction.factor)) {}

  [[nodiscard]] F start(std::size_t i) const { return keep * before[i]; }
  [[nodiscard]] F step(std::size_t i) const { return param[i] - start(i); }
  [[nodiscard]] F slope(std::size_t i) const { return sign * grad[i]; }
};

/// Updates that go against the gradient are scaled, others left out.
template <class F>
void cautious(void* param, const void* before, const void* grad, const Direction& direction,
              std::size_t size) {
  F* const p = static_cast<F*>(param);
  const Compared<F> of(param, before, grad, direction);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) {
    const F start = of.start(i), step = of.step(i), along = step * of.slope(i);
    const F scaled = start + of.factor * step;
    p[i] = along < 0 ? scaled : along >= 0 ? start : along;
  }
}

template <class F>
double agreeing(const void* param, const void* before, const void* grad, const Direction& direction,
                std::size_t size) {
  const Compared<F> of(param, before, grad, direction);
  return sum_in_lanes(size,
                      [=](std::size_t i) { return of.step(i) * of.slope(i) < 0 ? 1.0 : 0.0; });
}

/// The update's magnitude, against the gradient's sign.
template <class F>
void grams(void* param, const void* before, const void* grad, const Direction& direction,
           std::size_t size) {
  F* const p = static_cast<F*>(param);
  const Compared<F> of(param, before, grad, direction);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i)
    p[i] = of.start(i) - magnitude(of.step(i)) * sign(of.slope(i));
}

}  // namespace

constinit const StorageKernels storage_kernels = {
    .decode = {nullptr, decode_bfloat16, decode_float8},
    .encode = {{nullptr, nullptr},
               {encode_bfloat16<false>, encode_bfloat16<true>},
               {encode_float8<false>, encode_float8<true>}},
    .join = join,
    .split = split,
    .refresh = refresh,
    .average = {average<float>, average<double>, average<bfloat16>},
    .cautious = {cautious<float>, cautious<double>},
    .grams = {grams<float>, grams<double>},
    .agreeing = {agreeing<float>, agreeing<double>},
};

}  // namespace pyoptim::PYOPTIM_ISA
