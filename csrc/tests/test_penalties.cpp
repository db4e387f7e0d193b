// Penalties: correct compared with naive loops, and the same bits for every instruction set and
// number of threads.
#include <doctest.h>

#include "core/threads.hpp"
#include "foreach/foreach.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

/// Weights, some of them 0, with gradients and signs.
struct Weights {
  Array param, grad, orthant;

  Weights(DType dtype, std::size_t size)
      : param(random_array(dtype, size, 1)),
        grad(random_array(dtype, size, 2)),
        orthant(random_array(dtype, size, 3)) {
    for (std::size_t i = 0; i < size; i += 3) param.set(i, 0);
  }

  [[nodiscard]] ForeachTensor tensor() {
    return {{param.at(0), nullptr, nullptr, orthant.at(0), param.size()}, param.dtype()};
  }
};

double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

double tolerance(DType dtype) {
  return dtype == DType::float64 ? 1e-15 : dtype == DType::float32 ? 1e-6 : 0.01;
}

struct Outcome {
  Array shrunk, projected, grad, orthant, limited;
  double penalty;
};

constexpr double l1 = 0.5, l2 = 0.25;

Outcome run(DType dtype, std::size_t size, std::size_t columns, int threads) {
  Weights shrunk(dtype, size), projected(dtype, size), added(dtype, size), limited(dtype, size);
  foreach_update(&ForeachKernels::soft_threshold, {shrunk.tensor()}, 0.5, 0.75, threads);
  foreach_update(&ForeachKernels::project_orthant, {projected.tensor()}, 0, 0, threads);
  const double penalty = penalize({added.tensor()}, {added.grad.at(0)}, l1, l2, threads);
  limit_norms({{limited.tensor(), size / columns, columns, true}}, 0.5, threads);
  return {shrunk.param, projected.param, added.grad, added.orthant, limited.param, penalty};
}

std::string difference(const Outcome& got, const Outcome& expected) {
  for (const auto part : {&Outcome::shrunk, &Outcome::projected, &Outcome::grad, &Outcome::orthant,
                          &Outcome::limited})
    if (std::string text = difference(got.*part, expected.*part); !text.empty()) return text;
  return got.penalty == expected.penalty ? "" : "penalty";
}

}  // namespace

TEST_CASE("penalties equal naive ones") {
  for (const DType dtype : all_dtypes)
    for (std::size_t size = 0; size < 70; ++size) {
      CAPTURE(name_of(dtype));
      CAPTURE(size);
      const Weights before(dtype, size);
      const Outcome out = run(dtype, size, std::max<std::size_t>(1, size), 0);
      const double near = tolerance(dtype);
      double penalty = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const double p = before.param[i], g = before.grad[i];
        penalty += l1 * std::fabs(p) + l2 / 2 * p * p;
        CHECK(std::fabs(out.shrunk[i] - sign(p) * std::max(std::fabs(p) - 0.5, 0.0) * 0.75) <=
              near);
        CHECK(out.projected[i] == (sign(p) == sign(before.orthant[i]) ? p : 0));
        const double at_zero = sign(g) * std::max(std::fabs(g) - l1, 0.0);
        const double total = p == 0 ? at_zero : g + l1 * sign(p) + l2 * p;
        CHECK(std::fabs(out.grad[i] - total) <= near * (1 + std::fabs(g) + std::fabs(p)));
        CHECK(out.orthant[i] == (p == 0 ? -sign(at_zero) : sign(p)));
        CHECK(std::fabs(out.limited[i] - sign(p) * std::min(std::fabs(p), 0.5)) <= near);
      }
      CHECK(std::fabs(out.penalty - penalty) <= 1e-6 * (1 + penalty));
    }
}

TEST_CASE("penalties have the same bits for every number of threads and instruction set") {
  for (const DType dtype : all_dtypes) {
    use_isa("baseline");
    const Outcome expected = run(dtype, 100'011, 3, 1);
    for (const Isa isa : available_isas()) {
      use_isa(isa_name(isa));
      for (const int threads : {1, 2, 3, 8}) {
        CAPTURE(isa_name(isa));
        CAPTURE(threads);
        CHECK(difference(run(dtype, 100'011, 3, threads), expected) == "");
      }
    }
  }
}

TEST_CASE("units of any shape are brought to a norm, also where squares overflow") {
  for (const bool by_columns : {false, true}) {
    Array values = random_array(DType::float64, 600 * 7, 1);
    const std::size_t rows = 600, columns = 7;
    const auto at = [&](std::size_t unit, std::size_t i) {
      return by_columns ? i * columns + unit : unit * columns + i;
    };
    const std::size_t units = by_columns ? columns : rows, each = by_columns ? rows : columns;
    for (std::size_t i = 0; i < each; ++i) {
      values.set(at(0, i), values[at(0, i)] * 1e-3);
      values.set(at(1, i), values[at(1, i)] * 1e200);
    }
    const Array before = values;
    limit_norms({{{{values.at(0), nullptr, nullptr, nullptr, values.size()}, DType::float64},
                  rows,
                  columns,
                  by_columns}},
                1.5, 0);
    for (std::size_t unit = 0; unit < units; ++unit) {
      long double was = 0, is = 0;
      for (std::size_t i = 0; i < each; ++i) {
        const long double old = before[at(unit, i)], now = values[at(unit, i)];
        was += old * old;
        is += now * now;
      }
      CHECK(close(double(std::sqrt(is)), std::min(double(std::sqrt(was)), 1.5), 1e-13));
    }
    for (std::size_t i = 0; i < each; ++i) CHECK(values[at(0, i)] == before[at(0, i)]);
  }
}

TEST_CASE("NaN stays NaN") {
  for (const DType dtype : all_dtypes) {
    Weights weights(dtype, 20);
    weights.param.set(7, std::nan(""));
    const Weights before = weights;
    foreach_update(&ForeachKernels::soft_threshold, {weights.tensor()}, 0.5, 1, 0);
    CHECK(std::isnan(weights.param[7]));
    weights = before;
    foreach_update(&ForeachKernels::project_orthant, {weights.tensor()}, 0, 0, 0);
    CHECK(std::isnan(weights.param[7]));
    weights = before;
    CHECK(std::isnan(penalize({weights.tensor()}, {weights.grad.at(0)}, l1, l2, 0)));
    CHECK(std::isnan(weights.grad[7]));
    weights = before;
    weights.param.set(6, 0);
    weights.grad.set(6, std::nan(""));
    penalize({weights.tensor()}, {weights.grad.at(0)}, l1, l2, 0);
    CHECK(std::isnan(weights.grad[6]));
  }
}
