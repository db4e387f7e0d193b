// exp, log, log(1 + x), tanh, the logistic function and the cube root, compared with the standard
// library in long double.
#include <doctest.h>

#include <cstdio>
#include <limits>

#include "simd/vecmath.hpp"
#include "support.hpp"

using namespace pyoptim;

namespace {

// Fewer if long double is computed in software.
constexpr int samples = std::numeric_limits<long double>::digits == 64 ? 400'000 : 20'000;

template <class F>
constexpr F infinity = std::numeric_limits<F>::infinity();
template <class F>
constexpr F smallest = std::numeric_limits<F>::min();

/// The error of a result in units of the last place of the exact one. Below the smallest normal
/// number, which may be flushed to 0, one unit is that number.
template <class F>
double error_in_ulp(F got, long double exact) {
  const long double size = std::fabs(exact);
  if (size > static_cast<long double>(std::numeric_limits<F>::max()) && std::isinf(got)) return 0;
  long double unit = smallest<F>;
  if (size >= unit) unit = std::ldexp(1.0L, std::ilogb(size) - std::numeric_limits<F>::digits + 1);
  const auto error = double(std::fabs(static_cast<long double>(got) - exact) / unit);
  return std::isnan(error) ? HUGE_VAL : error;
}

/// Numbers of an interval, evenly spaced.
template <class F>
std::vector<F> evenly(F low, F high) {
  std::vector<F> values;
  for (int i = 0; i <= samples; ++i) values.push_back(low + (high - low) * (F(i) / F(samples)));
  return values;
}

/// Positive numbers from `low` to `high`, evenly spaced in their bits: as many in each octave.
template <class F>
std::vector<F> by_bits(F low, F high) {
  using Bits = std::conditional_t<sizeof(F) == 4, std::uint32_t, std::uint64_t>;
  const auto first = std::bit_cast<Bits>(low),
             stride = (std::bit_cast<Bits>(high) - first) / samples;
  std::vector<F> values;
  for (Bits i = 0; i <= samples; ++i) values.push_back(std::bit_cast<F>(Bits(first + i * stride)));
  return values;
}

/// Checks and reports the largest error over some samples, in units of the last place.
template <class F, class Function, class Exact>
void measure(const char* name, const std::vector<F>& values, const Function& function,
             const Exact& exact, double allowed = 2) {
  double worst = 0;
  F where = 0;
  for (const F x : values) {
    const double error = error_in_ulp<F>(function(x), exact(static_cast<long double>(x)));
    if (error <= worst) continue;
    worst = error;
    where = x;
  }
  std::printf("%-10s %-8s at most %.3f ulp, at %.17g\n", name, sizeof(F) == 4 ? "float" : "double",
              worst, double(where));
  CAPTURE(name);
  CAPTURE(where);
  CHECK(worst <= allowed);
}

template <class F>
std::vector<F> with_negatives(std::vector<F> values) {
  const std::size_t count = values.size();
  for (std::size_t i = 0; i < count; ++i) values.push_back(-values[i]);
  return values;
}

template <class F>
F exponential(F x) {
  return baseline::exponential(x);
}
template <class F>
F logistic(F x) {
  return baseline::logistic(x);
}
template <class F>
F hyperbolic_tangent(F x) {
  return baseline::hyperbolic_tangent(x);
}

long double exact_logistic(long double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

TEST_CASE_TEMPLATE("e^x", F, float, double) {
  const F overflow = std::log(std::numeric_limits<F>::max()), underflow = std::log(smallest<F>);
  const auto exact = [](long double x) { return std::exp(x); };
  measure("exp", evenly<F>(underflow - 20, overflow + 5), exponential<F>, exact);
  measure("exp", evenly<F>(-1, 1), exponential<F>, exact);
  measure("exp", evenly<F>(underflow - 1, underflow + 1), exponential<F>, exact);
  measure("exp", evenly<F>(overflow - 1, overflow + F(0.1)), exponential<F>, exact);
  measure("exp", with_negatives(by_bits<F>(smallest<F>, 1)), exponential<F>, exact);

  CHECK(exponential<F>(0) == 1);
  CHECK(exponential<F>(F(-0.0)) == 1);
  CHECK(exponential(infinity<F>) == infinity<F>);
  CHECK(exponential(-infinity<F>) == 0);
  CHECK(exponential(std::numeric_limits<F>::max()) == infinity<F>);
  CHECK(exponential(std::numeric_limits<F>::lowest()) == 0);
  CHECK(std::isfinite(exponential(std::nextafter(overflow, F(0)))));
  CHECK(exponential<F>(overflow + F(0.01)) == infinity<F>);
  CHECK(exponential<F>(underflow - F(0.01)) <= smallest<F>);
  CHECK(std::isnan(exponential(std::numeric_limits<F>::quiet_NaN())));
}

TEST_CASE_TEMPLATE("1 / (1 + e^-x)", F, float, double) {
  measure("logistic", evenly<F>(-20, 50), logistic<F>, exact_logistic, 2.5);
  measure("logistic", evenly<F>(std::log(smallest<F>) - 10, 0), logistic<F>, exact_logistic, 2.5);
  measure("logistic", with_negatives(by_bits<F>(smallest<F>, 1)), logistic<F>, exact_logistic, 2.5);

  CHECK(logistic<F>(0) == F(0.5));
  CHECK(logistic(infinity<F>) == 1);
  CHECK(logistic(-infinity<F>) == 0);
  CHECK(logistic(std::numeric_limits<F>::lowest()) == 0);
  CHECK(std::isnan(logistic(std::numeric_limits<F>::quiet_NaN())));
}

TEST_CASE_TEMPLATE("tanh", F, float, double) {
  const auto exact = [](long double x) { return std::tanh(x); };
  measure("tanh", evenly<F>(-25, 25), hyperbolic_tangent<F>, exact);
  measure("tanh", evenly<F>(-1, 1), hyperbolic_tangent<F>, exact);
  measure("tanh", with_negatives(by_bits<F>(smallest<F>, 100)), hyperbolic_tangent<F>, exact);

  CHECK(hyperbolic_tangent<F>(0) == 0);
  CHECK(hyperbolic_tangent<F>(F(-0.0)) == 0);
  CHECK(hyperbolic_tangent(infinity<F>) == 1);
  CHECK(hyperbolic_tangent(-infinity<F>) == -1);
  CHECK(hyperbolic_tangent(std::numeric_limits<F>::max()) == 1);
  CHECK(std::isnan(hyperbolic_tangent(std::numeric_limits<F>::quiet_NaN())));
  for (const F x : evenly<F>(0, 10))
    if (hyperbolic_tangent<F>(-x) != -hyperbolic_tangent<F>(x)) FAIL("not odd at ", x);
}

TEST_CASE_TEMPLATE("the natural logarithm", F, float, double) {
  const auto function = [](F x) { return baseline::logarithm(x); };
  const auto exact = [](long double x) { return std::log(x); };
  measure("log", by_bits<F>(smallest<F>, std::numeric_limits<F>::max()), function, exact);
  measure("log", evenly<F>(0.5, 2), function, exact);
  measure("log", evenly<F>(F(1 - 1e-4), F(1 + 1e-4)), function, exact);
  measure("log", evenly<F>(1, F(1e6)), function, exact);

  CHECK(function(1) == 0);
  CHECK_FALSE(std::signbit(function(1)));
  CHECK(std::isnan(function(std::numeric_limits<F>::quiet_NaN())));
}

TEST_CASE_TEMPLATE("log(1 + x)", F, float, double) {
  const auto function = [](F x) { return baseline::logarithm_of_one_plus(x); };
  const auto exact = [](long double x) { return std::log1p(x); };
  measure("log1p", evenly<F>(0, 1), function, exact);
  measure("log1p", evenly<F>(F(-0.999), 2), function, exact);
  measure("log1p", by_bits<F>(smallest<F>, 1), function, exact);
  measure("log1p", by_bits<F>(1, std::numeric_limits<F>::max() / 2), function, exact);

  CHECK(function(0) == 0);
  CHECK(std::isnan(function(std::numeric_limits<F>::quiet_NaN())));
}

TEST_CASE_TEMPLATE("p, 1 - p and their logarithms", F, float, double) {
  std::vector<F> scores = evenly<F>(std::log(smallest<F>) + 1, -std::log(smallest<F>) - 1);
  for (const F z : with_negatives(by_bits<F>(smallest<F>, 1))) scores.push_back(z);
  const auto log_of = [](long double z) { return std::log1p(std::exp(-z)); };
  measure(
      "p", scores, [](F z) { return baseline::chances(z).p; }, exact_logistic, 3);
  measure(
      "q", scores, [](F z) { return baseline::chances(z).q; },
      [](long double z) { return exact_logistic(-z); }, 3);
  measure(
      "-log p", scores, [](F z) { return baseline::chances(z).minus_log_p; }, log_of, 3);
  measure(
      "-log q", scores, [](F z) { return baseline::chances(z).minus_log_q; },
      [&](long double z) { return log_of(-z); }, 3);
  for (const F z : {F(1e4), std::numeric_limits<F>::max()}) {
    CHECK(baseline::chances(z).minus_log_q == z);
    CHECK(baseline::chances(-z).minus_log_p == z);
    CHECK(baseline::chances(z).p == 1);
    CHECK(baseline::chances(-z).p == 0);
  }
  CHECK(std::isnan(baseline::chances(std::numeric_limits<F>::quiet_NaN()).minus_log_p));
}

TEST_CASE_TEMPLATE("the cube root", F, float, double) {
  const auto function = [](F x) { return baseline::cube_root(x); };
  const auto exact = [](long double x) { return std::cbrt(x); };
  measure("cbrt", by_bits<F>(smallest<F>, std::numeric_limits<F>::max()), function, exact, 4);
  measure("cbrt", evenly<F>(0.5, 8), function, exact, 4);

  CHECK(function(0) == 0);
  CHECK(function(infinity<F>) == infinity<F>);
  CHECK(std::isnan(function(std::numeric_limits<F>::quiet_NaN())));
}
