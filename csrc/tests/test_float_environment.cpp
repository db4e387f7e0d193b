// A step restores the caller's rounding mode and denormals, and does not depend on them.
#include <doctest.h>
#include <omp.h>

#include <cfenv>
#include <limits>

#include "core/threads.hpp"
#include "nn/layers.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

/// Whether denormal results are kept.
bool has_denormals() {
  volatile double small = std::numeric_limits<double>::min();
  volatile double half = small * 0.5;
  return half != 0 && half * 2 == small;
}

constexpr std::size_t size = 2 * serial_below;

/// Created before the environment changes.
const Array start = random_array(DType::float32, size, 1);
const Array grad = random_array(DType::float32, size, 2);
const Array bias = random_array(DType::float32, 64, 3);

/// Steps with clipping over enough elements for several threads, and a layer.
Array work(const RuleInfo& rule) {
  Array param = start;
  const auto settings = settings_of(rule, choices_of_hyper(rule).front());
  Optimizer optimizer(rule.name, {{settings, {{"p", param.at(0), size, DType::float32}}}},
                      {.clip_norm = 1, .threads = 3});
  const void* grads[] = {grad.at(0)};
  for (int step = 0; step < 2; ++step) optimizer.step(grads);
  layer_forward(Activation::tanh, {param.at(0), size / 64, 64, DType::float32}, bias.at(0),
                param.at(0));
  return param;
}

}  // namespace

TEST_CASE("denormals are flushed inside of the environment only") {
  CHECK(has_denormals());
  {
    const FloatEnvironment environment;
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK_FALSE(has_denormals());
#endif
  }
  CHECK(has_denormals());
}

TEST_CASE("steps and layers restore the environment, on all threads, and do not depend on it") {
  for (const RuleInfo* rule : all_rules()) {
    CAPTURE(rule->name);
    const Array expected = work(*rule);
    for (const int rounding : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST}) {
      std::fesetround(rounding);
      const Array got = work(*rule);
      const int after = std::fegetround();
      std::fesetround(FE_TONEAREST);
      CHECK(after == rounding);
      CHECK(difference(got, expected) == "");
      CHECK(has_denormals());
    }
    int flushing = 0;
#pragma omp parallel num_threads(3) reduction(+ : flushing)
    flushing += has_denormals() ? 0 : 1;
    CHECK(flushing == 0);
  }
}
