// XXH64: published values, and different results for different inputs.
#include "core/xxh64.hpp"

#include <doctest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace pyoptim;

namespace {

std::uint64_t checksum(std::string_view text) { return xxh64(text.data(), text.size()); }

}  // namespace

TEST_CASE("published checksums") {
  CHECK(xxh64(nullptr, 0) == 0xEF46DB3751D8E999);
  CHECK(checksum("a") == 0xD24EC4F1A98C6E5B);
  CHECK(checksum("abc") == 0x44BC2CF5AD770999);
  CHECK(checksum("Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1);
}

TEST_CASE("every size and every alignment, and no byte beyond") {
  std::vector<unsigned char> bytes(300, 0xA5);
  std::set<std::uint64_t> result;
  for (std::size_t size = 0; size <= 200; ++size) {
    const std::uint64_t expected = xxh64(bytes.data(), size);
    result.insert(expected);
    for (std::size_t offset = 1; offset < 9; ++offset) {
      std::vector<unsigned char> moved(offset + size);  // ends at the end of the memory
      for (std::size_t i = 0; i < size; ++i) moved[offset + i] = bytes[i];
      CHECK(xxh64(moved.data() + offset, size) == expected);
    }
  }
  CHECK(result.size() == 201);
}

TEST_CASE("every changed bit changes it") {
  std::string text(100, 'x');
  std::set<std::uint64_t> result = {checksum(text)};
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string changed = text;
    changed[bit / 8] ^= char(1 << bit % 8);
    result.insert(checksum(changed));
  }
  CHECK(result.size() == 801);
}
