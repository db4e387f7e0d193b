// Quantization of states, and split master weights. Compiled once for each instruction set.
#include "optim/quantize/kernel_table.hpp"

#include <cstddef>
#include <cstdint>

#include "optim/quantize/encoding.hpp"
#include "optim/quantize/float8.hpp"
#include "simd/element.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

void decode_bfloat16(const void* quantized, const float* /*scales*/, float* values,
                     std::size_t size) {
  const auto* const from = static_cast<const bfloat16*>(quantized);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) values[i] = load(from[i]);
}

template <bool Stochastic>
void encode_bfloat16(const float* values, void* quantized, float* /*scales*/, std::size_t size,
                     std::size_t first, std::uint32_t key) {
  auto* const to = static_cast<std::uint16_t*>(quantized);
  const Thresholds thresholds(first, key);
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i)
    to[i] = static_cast<std::uint16_t>(to_bfloat16<Stochastic>(values[i], thresholds[i]));
}

/// Calls work(begin, size) for each block of values with a common scale. The size is a compile-time
/// constant except for the last block.
template <class Work>
[[gnu::always_inline]] inline void by_scale(std::size_t size, const Work& work) {
  const std::size_t whole = size - size % scale_block;
  for (std::size_t begin = 0; begin < whole; begin += scale_block) work(begin, scale_block);
  if (whole < size) work(whole, size - whole);
}

void decode_float8(const void* quantized, const float* scales, float* values, std::size_t size) {
  const auto* const code = static_cast<const std::int8_t*>(quantized);
  by_scale(
      size, [=](std::size_t begin, std::size_t part) __attribute__((always_inline)) {
        const Float8 block(scales[begin / scale_block]);
#pragma omp simd
        for (std::size_t i = begin; i < begin + part; ++i)
          values[i] = block.decode(std::int32_t{code[i]});
      });
}

template <bool Stochastic>
void encode_float8(const float* values, void* quantized, float* scales, std::size_t size,
                   std::size_t first, std::uint32_t key) {
  auto* const code = static_cast<std::uint8_t*>(quantized);
  by_scale(
      size, [=](std::size_t begin, std::size_t part) __attribute__((always_inline)) {
        const float scale = extent_of(values + begin, part).scale();
        scales[begin / scale_block] = scale;
        encode_block(values + begin, scale, code + begin, part, first + begin, {Stochastic, key});
      });
}

/// Joins the halves of the bits of float32 numbers, and splits them.
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

}  // namespace

extern const QuantizeKernels quantize_kernels;
constinit const QuantizeKernels quantize_kernels = {
    .decode = {nullptr, decode_bfloat16, decode_float8},
    .encode = {{nullptr, nullptr},
               {encode_bfloat16<false>, encode_bfloat16<true>},
               {encode_float8<false>, encode_float8<true>}},
    .join = join,
    .split = split,
    .refresh = refresh,
};

}  // namespace pyoptim::PYOPTIM_ISA
