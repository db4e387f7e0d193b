// Sums and maxima in a fixed order, so that every instruction set gives the same bits.
#pragma once

#include <cstddef>
#include <utility>

#include "simd/math.hpp"

namespace pyoptim::PYOPTIM_ISA {

inline constexpr std::size_t lanes = 16;

#if defined(__AVX512F__)
inline constexpr std::size_t register_bytes = 64;
#elif defined(__AVX__)
inline constexpr std::size_t register_bytes = 32;
#else
inline constexpr std::size_t register_bytes = 16;
#endif

template <class F>
struct Register;
template <>
struct Register<float> {
  using type = float __attribute__((vector_size(register_bytes)));
};
template <>
struct Register<double> {
  using type = double __attribute__((vector_size(register_bytes)));
};

enum class Combination : bool { sum, largest };

/// Sixteen sums, or maxima of nonnegative numbers, in vectors that fit registers. An array would be
/// written to memory in every turn of a loop, which takes longer than the additions. Maxima ignore
/// NaN.
template <Combination Kind, class F = double>
class Lanes {
 public:
  void add(const F (&terms)[lanes]) { add(terms, std::make_index_sequence<parts>()); }

  /// The sum or maximum of all lanes, in order.
  [[nodiscard]] double total() const {
    double total = 0;
    for (const Vector& part : lanes_)
      for (std::size_t i = 0; i < width; ++i)
        total = Kind == Combination::sum ? total + part[i] : larger(double(part[i]), total);
    return total;
  }

  /// Writes the first `count` lanes.
  template <class To>
  void write(To* to, std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i) to[i] = To(lanes_[i / width][i % width]);
  }

  /// The sum or maximum of all lanes, as a tree: each lane of the first half is combined with one
  /// of the second half, and so on.
  [[nodiscard]] double folded() const {
    double values[lanes];
    for (std::size_t i = 0; i < lanes; ++i) values[i] = double(lanes_[i / width][i % width]);
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
      for (std::size_t i = 0; i < half; ++i)
        values[i] = Kind == Combination::sum ? values[i] + values[i + half]
                                             : larger(values[i + half], values[i]);
    return values[0];
  }

 private:
  static constexpr std::size_t width = register_bytes / sizeof(F);
  static constexpr std::size_t parts = lanes / width;
  using Vector = typename Register<F>::type;

  template <std::size_t... I>
  void add(const F (&terms)[lanes], std::index_sequence<I...> /*parts*/) {
    Vector values[parts];
    (__builtin_memcpy(&values[I], terms + I * width, sizeof(Vector)), ...);
    if constexpr (Kind == Combination::sum)
      ((lanes_[I] += values[I]), ...);
    else
      ((lanes_[I] = values[I] > lanes_[I] ? values[I] : lanes_[I]), ...);
  }

  Vector lanes_[parts] = {};
};

using LaneSums = Lanes<Combination::sum>;

/// Calls terms(i, j) for all i below size, where j is the lane of i, and add() after every 16 of
/// them. If the last group is shorter, pad(j) is called first for the remaining lanes.
template <class Terms, class Pad, class Add>
void by_lanes(std::size_t size, const Terms& terms, const Pad& pad, const Add& add) {
  const std::size_t whole = size - size % lanes;
  for (std::size_t i = 0; i < whole; i += lanes) {
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j) terms(i + j, j);
    add();
  }
  if (whole == size) return;
  for (std::size_t j = size - whole; j < lanes; ++j) pad(j);
  for (std::size_t i = whole; i < size; ++i) terms(i, i - whole);
  add();
}

/// The sum of term(0) to term(size - 1) in double. Term i is added to lane i modulo 16, and the
/// lanes are added in order. `term` may have side effects on element i.
template <class Term>
double sum_in_lanes(std::size_t size, const Term& term) {
  LaneSums sums;
  double terms[lanes];
  by_lanes(
      size, [&](std::size_t i, std::size_t j) { terms[j] = double(term(i)); },
      [&](std::size_t j) { terms[j] = 0; }, [&] { sums.add(terms); });
  return sums.total();
}

/// The maximum of at least one value. NaN is ignored.
template <class F>
F largest_in_lanes(const F* x, std::size_t size) {
  F lane[lanes];
  for (F& highest : lane) highest = x[0];
  const std::size_t whole = size - size % lanes;
  for (std::size_t i = 0; i < whole; i += lanes) {
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j) lane[j] = larger(x[i + j], lane[j]);
  }
  for (std::size_t i = whole; i < size; ++i) lane[i - whole] = larger(x[i], lane[i - whole]);
  F highest = lane[0];
  for (const F value : lane) highest = larger(value, highest);
  return highest;
}

}  // namespace pyoptim::PYOPTIM_ISA
