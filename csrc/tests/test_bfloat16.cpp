// Rounding to bfloat16: to nearest, ties to even. NaN stays NaN, infinity stays infinity.
#include <doctest.h>

#include <limits>

#include "simd/element.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::uint32_t upper_halves = 1 << 16;
constexpr std::uint16_t lower_halves[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x4321};

double value_of(std::uint32_t upper_half) {
  // The value after the largest one counts as the next power of two, and is infinity.
  if ((upper_half & 0x7FFFU) == 0x7F80U) return upper_half == 0x7F80U ? 0x1p128 : -0x1p128;
  return std::bit_cast<float>(upper_half << 16);
}

/// Rounds by the distances to both neighbours; NaN gives 0x7FFF.
std::uint16_t naive_bfloat16(float x) {
  if (std::isnan(x)) return 0x7FFF;
  const std::uint32_t below = std::bit_cast<std::uint32_t>(x) >> 16, above = below + 1;
  if (std::isinf(x)) return std::uint16_t(below);
  const double down = std::fabs(double(x) - value_of(below));
  const double up = std::fabs(value_of(above) - double(x));
  if (down == up) return std::uint16_t(below % 2 == 0 ? below : above);
  return std::uint16_t(down < up ? below : above);
}

bool is_nan(std::uint16_t bits) { return (bits & 0x7FFFU) > 0x7F80U; }

/// Whether bits are as expected. All NaN are equal.
bool same(std::uint16_t got, std::uint16_t expected) {
  return got == expected || (is_nan(got) && is_nan(expected));
}

}  // namespace

TEST_CASE("every upper half is read as it is, and stored again") {
  for (std::uint32_t upper = 0; upper < upper_halves; ++upper) {
    const baseline::bfloat16 element{std::uint16_t(upper)};
    const float x = baseline::load(element);
    CHECK(std::bit_cast<std::uint32_t>(x) == upper << 16);
    baseline::bfloat16 stored{};
    baseline::store(stored, x);
    CHECK(same(stored.bits, std::uint16_t(upper)));
  }
}

TEST_CASE("every upper half with several lower halves is rounded as by distance") {
  for (std::uint32_t upper = 0; upper < upper_halves; ++upper)
    for (const std::uint16_t lower : lower_halves) {
      const float x = std::bit_cast<float>(upper << 16 | lower);
      baseline::bfloat16 stored{};
      baseline::store(stored, x);
      CAPTURE(x);
      CHECK(same(stored.bits, naive_bfloat16(x)));
    }
}

TEST_CASE("the update loops of all instruction sets round the same way") {
  // SGD with a zero gradient and weight decay, so that products need rounding.
  Array param(DType::bfloat16, upper_halves);
  const Array grad(DType::bfloat16, upper_halves);
  const auto rules = all_rules();
  const auto sgd = std::size_t(
      std::find_if(rules.begin(), rules.end(),
                   [](const RuleInfo* rule) { return std::string(rule->name) == "SGD"; }) -
      rules.begin());
  const auto hyper = choices_of_hyper(*rules[sgd]).front();
  for (const Isa isa : available_isas())
    for (const float keep : {1.0F, 0x1.0001p0F, 0x1.00FEp0F, 0x1.01p0F, 0x1.5p0F, 0.9F}) {
      for (std::uint32_t i = 0; i < upper_halves; ++i) {
        const auto bits = std::uint16_t(i);
        std::memcpy(param.at(i), &bits, sizeof bits);
      }
      const Span span{param.at(0), grad.at(0), {}, upper_halves};
      pyoptim::all_rules(isa)[sgd]->update[int(DType::bfloat16)][0](
          hyper.data(), {1, 0.5, nullptr}, {.keep = keep}, &span, 1, nullptr);
      CAPTURE(isa_name(isa));
      CAPTURE(keep);
      for (std::uint32_t i = 0; i < upper_halves; ++i) {
        std::uint16_t got = 0;
        std::memcpy(&got, param.at(i), sizeof got);
        CHECK(same(got, naive_bfloat16(std::bit_cast<float>(i << 16) * keep)));
      }
    }
}
