#include "core/xxh64.hpp"

#include <bit>
#include <cstring>
#include <initializer_list>

namespace pyoptim {
namespace {

constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87;
constexpr std::uint64_t prime2 = 0xC2B2AE3D27D4EB4F;
constexpr std::uint64_t prime3 = 0x165667B19E3779F9;
constexpr std::uint64_t prime4 = 0x85EBCA77C2B2AE63;
constexpr std::uint64_t prime5 = 0x27D4EB2F165667C5;

/// The little-endian number at an address, aligned or not.
template <class Word>
std::uint64_t load(const unsigned char* from) {
  if constexpr (std::endian::native == std::endian::little) {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
  } else {
    std::uint64_t word = 0;
    for (std::size_t i = sizeof(Word); i-- > 0;) word = word << 8 | from[i];
    return word;
  }
}

std::uint64_t round(std::uint64_t sum, std::uint64_t word) {
  return std::rotl(sum + word * prime2, 31) * prime1;
}

std::uint64_t merge(std::uint64_t hash, std::uint64_t sum) {
  return (hash ^ round(0, sum)) * prime1 + prime4;
}

/// Spreads every bit of the input over the whole result.
std::uint64_t avalanche(std::uint64_t hash) {
  hash = (hash ^ hash >> 33) * prime2;
  hash = (hash ^ hash >> 29) * prime3;
  return hash ^ hash >> 32;
}

}  // namespace

std::uint64_t xxh64(const void* data, std::size_t size) {
  const auto* at = static_cast<const unsigned char*>(data);
  std::size_t left = size;
  std::uint64_t hash = prime5;
  if (left >= 32) {  // four sums that do not wait for each other
    std::uint64_t a = prime1 + prime2, b = prime2, c = 0, d = 0 - prime1;
    for (; left >= 32; at += 32, left -= 32) {
      a = round(a, load<std::uint64_t>(at));
      b = round(b, load<std::uint64_t>(at + 8));
      c = round(c, load<std::uint64_t>(at + 16));
      d = round(d, load<std::uint64_t>(at + 24));
    }
    hash = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
    for (const std::uint64_t sum : {a, b, c, d}) hash = merge(hash, sum);
  }
  hash += size;
  for (; left >= 8; at += 8, left -= 8)
    hash = std::rotl(hash ^ round(0, load<std::uint64_t>(at)), 27) * prime1 + prime4;
  for (; left >= 4; at += 4, left -= 4)
    hash = std::rotl(hash ^ load<std::uint32_t>(at) * prime1, 23) * prime2 + prime3;
  for (; left > 0; ++at, --left) hash = std::rotl(hash ^ *at * prime5, 11) * prime1;
  return avalanche(hash);
}

}  // namespace pyoptim
