// Groups of sixteen elements of a quantized state, widened to 32 bits and narrowed back. With
// AVX-512 each is one instruction, and everything between them stays in registers. On other
// instruction sets, loops over whole blocks are faster and this file is not used.
#pragma once

#include <cstddef>
#include <cstdint>

#include "optim/quantize/encoding.hpp"
#include "simd/reduce.hpp"

#if defined(__AVX512F__) && defined(__AVX512BW__)
#include <immintrin.h>
#define PYOPTIM_GROUPS 1
#else
#define PYOPTIM_GROUPS 0
#endif

namespace pyoptim::PYOPTIM_ISA {

/// Whether quantized states are decoded, updated and encoded in one loop.
inline constexpr bool has_groups = PYOPTIM_GROUPS != 0;

#if PYOPTIM_GROUPS

using Group = std::int32_t[lanes];

/// Sign-extends bytes.
inline void widen(const std::uint8_t* from, Group& to) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm512_storeu_si512(to, _mm512_maskz_cvtepi8_epi32(0xFFFF, bytes));
}
/// Zero-extends 16-bit numbers.
inline void widen(const std::uint16_t* from, Group& to) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  _mm512_storeu_si512(to, _mm512_maskz_cvtepu16_epi32(0xFFFF, halves));
}

/// Keeps the lower bits. (For the plain conversions, GCC 12 warns of uninitialized values.)
inline void narrow(const Group& from, std::uint8_t* to) {
  const __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xFFFF, _mm512_loadu_si512(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
}
inline void narrow(const Group& from, std::uint16_t* to) {
  const __m256i halves = _mm512_maskz_cvtepi32_epi16(0xFFFF, _mm512_loadu_si512(from));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), halves);
}

/// The thresholds of consecutive groups.
class GroupThresholds {
 public:
  struct Sixteen {
    std::uint32_t item[lanes];
  };

  explicit GroupThresholds(const Thresholds& thresholds) {
    for (std::size_t j = 0; j < lanes; ++j) next_[j] = thresholds[j];
  }
  Sixteen next() {
    Sixteen now;
    __builtin_memcpy(&now, &next_, sizeof now);
    next_ += std::uint32_t(lanes) * Thresholds::golden;
    return now;
  }

 private:
  std::uint32_t __attribute__((vector_size(sizeof(Group)))) next_;
};

#endif

}  // namespace pyoptim::PYOPTIM_ISA
