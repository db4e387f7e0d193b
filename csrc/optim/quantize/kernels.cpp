// How states are kept in fewer bits between steps, and what else is done to a block of parameters
// while it is in cache. Compiled once for each instruction set.
#include "optim/quantize/kernels.hpp"

#include <cstddef>
#include <cstdint>

#include "optim/quantize/codes.hpp"
#include "optim/quantize/float8.hpp"
#include "simd/element.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

void decode_bfloat16(const void* codes, const float* /*scales*/, float* values, std::size_t size) {
  const auto* const from = static_cast<const bfloat16*>(codes);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) values[i] = load(from[i]);
}

template <bool Stochastic>
void encode_bfloat16(const float* values, void* codes, float* /*scales*/, std::size_t size,
                     std::size_t first, std::uint32_t key) {
  auto* const to = static_cast<std::uint16_t*>(codes);
  const Thresholds thresholds(first, key);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i)
    to[i] = static_cast<std::uint16_t>(to_bfloat16<Stochastic>(values[i], thresholds[i]));
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
  const auto* const code = static_cast<const std::int8_t*>(codes);
  by_scale(
      size, [=](std::size_t begin, std::size_t part) __attribute__((always_inline)) {
        const Float8 block(scales[begin / scale_block]);
#pragma omp simd
        for (std::size_t i = begin; i < begin + part; ++i)
          values[i] = block.decode(std::int32_t{code[i]});
      });
}

template <bool Stochastic>
void encode_float8(const float* values, void* codes, float* scales, std::size_t size,
                   std::size_t first, std::uint32_t key) {
  auto* const code = static_cast<std::uint8_t*>(codes);
  by_scale(
      size, [=](std::size_t begin, std::size_t part) __attribute__((always_inline)) {
        const float scale = extent_of(values + begin, part).scale();
        scales[begin / scale_block] = scale;
        encode_block(values + begin, scale, code + begin, part, first + begin, {Stochastic, key});
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
