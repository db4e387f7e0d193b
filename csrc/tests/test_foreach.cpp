// Elementwise operations: correct compared with naive loops, and the same bits for every
// instruction set and number of threads.
#include "foreach/foreach.hpp"

#include <doctest.h>

#include <limits>

#include "core/threads.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A parameter with all its arrays.
struct Operands {
  Array param, grad, wide, copy;

  Operands(DType dtype, std::size_t size, std::uint64_t seed)
      : param(random_array(dtype, size, seed)),
        grad(random_array(dtype, size, seed + 1)),
        wide(random_array(state_dtype(dtype), size, seed + 2)),
        copy(dtype, size) {}

  [[nodiscard]] ForeachTensor tensor() {
    return {{param.at(0), grad.at(0), wide.at(0), copy.at(0), param.size()}, param.dtype()};
  }
};

std::vector<Operands> operands(DType dtype, std::initializer_list<std::size_t> sizes) {
  std::vector<Operands> result;
  for (const std::size_t size : sizes) result.emplace_back(dtype, size, 10 * result.size());
  return result;
}

std::vector<ForeachTensor> tensors(std::vector<Operands>& operands) {
  std::vector<ForeachTensor> result;
  for (Operands& each : operands) result.push_back(each.tensor());
  return result;
}

std::string difference(const std::vector<Operands>& got, const std::vector<Operands>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    for (const auto part : {&Operands::param, &Operands::grad, &Operands::wide, &Operands::copy})
      if (const auto text = test::difference(got[i].*part, expected[i].*part); !text.empty())
        return "vector " + std::to_string(i) + ": " + text;
  return "";
}

constexpr ForeachUpdate ForeachKernels::*operations[] = {
    &ForeachKernels::set_scaled,      &ForeachKernels::add_scaled, &ForeachKernels::load_params,
    &ForeachKernels::store_params,    &ForeachKernels::lerp,       &ForeachKernels::lerp_and_store,
    &ForeachKernels::round_scaled,    &ForeachKernels::scale,      &ForeachKernels::perturb,
    &ForeachKernels::perturb_adaptive};

/// One element before or after an operation.
struct Element {
  double param, grad, wide, copy;
};

/// An operation in float or double arithmetic. The adaptive one is always in double.
template <class F>
Element naive(std::size_t operation, const Element& before, double factor, double eta) {
  const F p = F(before.param), g = F(before.grad), wide = F(before.wide), a = F(factor);
  const double size = std::fabs(before.param) + eta;
  Element after = before;
  switch (operation) {
    case 0:
      after.wide = a * g;
      break;
    case 1:
      after.wide = wide + a * g;
      break;
    case 2:
      after.wide = p;
      break;
    case 3:
      after.param = wide;
      break;
    case 4:
    case 5:
      after.wide = wide + a * (p - wide);
      if (operation == 5) after.param = after.wide;
      break;
    case 6:
      after.copy = a * wide;
      break;
    case 7:
      after.copy = a * g;
      break;
    case 8:
      after.copy = before.param;
      after.param = p + a * g;
      break;
    default:
      after.copy = before.param;
      after.param = F(before.param + factor * size * before.grad * size);
  }
  return after;
}

/// The nearest bfloat16, ties to even.
double rounded(double x, DType dtype) {
  if (dtype != DType::bfloat16) return x;
  const auto bits = std::bit_cast<std::uint32_t>(float(x));
  return std::bit_cast<float>((bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U);
}

/// All sums, on matrices of several shapes.
std::vector<double> norms(std::vector<Operands>& all, int threads) {
  return {gradient_norm(tensors(all), false, 0, threads),
          gradient_norm(tensors(all), true, 0.01, threads)};
}

void clip_all(std::vector<Operands>& all, bool by_columns, int threads) {
  std::vector<Units> units;
  for (Operands& each : all) {
    const std::size_t size = each.param.size();
    const std::size_t columns = size % 97 == 0 ? 97 : size;
    units.push_back({each.tensor(), size / columns, columns, by_columns});
  }
  clip_units(units, 0.1, 1e-3, 2, threads);
}

double naive_norm(const Array& values, std::size_t start, std::size_t stride, std::size_t count) {
  long double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const long double value = values[start + i * stride];
    sum += value * value;
  }
  return double(std::sqrt(sum));
}

}  // namespace

TEST_CASE("operations equal naive ones") {
  for (const DType dtype : all_dtypes)
    for (std::size_t operation = 0; operation < std::size(operations); ++operation)
      for (const Isa isa : available_isas()) {
        CAPTURE(name_of(dtype));
        CAPTURE(operation);
        use_isa(isa_name(isa));
        for (std::size_t size = 0; size < 70; ++size) {
          std::vector<Operands> all = operands(dtype, {size, 3, 0, 70 - size});
          std::vector<Operands> expected = all;
          const double a = 0.3, b = 0.01;
          for (Operands& each : expected)
            for (std::size_t i = 0; i < each.param.size(); ++i) {
              const Element before{each.param[i], each.grad[i], each.wide[i], each.copy[i]};
              const Element after = dtype == DType::float64 ? naive<double>(operation, before, a, b)
                                                            : naive<float>(operation, before, a, b);
              each.param.set(i, rounded(after.param, dtype));
              each.wide.set(i, after.wide);
              each.copy.set(i, rounded(after.copy, dtype));
            }
          foreach_update(operations[operation], tensors(all), a, b, 0);
          CHECK(difference(all, expected) == "");
        }
      }
}

TEST_CASE("operations have the same bits for every number of threads and instruction set") {
  for (const DType dtype : all_dtypes) {
    const auto fresh = [&] { return operands(dtype, {97 * 500, 33, 0, 100'003, 97 * 3}); };
    const auto run = [&](int threads) {
      std::vector<std::vector<Operands>> results;
      for (const auto operation : operations) {
        results.push_back(fresh());
        foreach_update(operation, tensors(results.back()), 0.3, 0.01, threads);
      }
      for (const bool by_columns : {false, true}) {
        results.push_back(fresh());
        clip_all(results.back(), by_columns, threads);
      }
      return results;
    };
    use_isa("baseline");
    std::vector<Operands> values = fresh();
    const auto expected = run(1);
    const auto expected_norms = norms(values, 1);
    for (const Isa isa : available_isas()) {
      use_isa(isa_name(isa));
      for (const int threads : {1, 2, 3, 8}) {
        CAPTURE(isa_name(isa));
        CAPTURE(threads);
        const auto got = run(threads);
        for (std::size_t i = 0; i < expected.size(); ++i)
          CHECK(difference(got[i], expected[i]) == "");
        CHECK(norms(values, threads) == expected_norms);
      }
    }
  }
}

TEST_CASE("norms are right, also where squares overflow") {
  std::vector<Operands> all = operands(DType::float64, {40'000, 0, 5});
  long double plain = 0, adaptive = 0;
  for (const Operands& each : all)
    for (std::size_t i = 0; i < each.param.size(); ++i) {
      const long double g = each.grad[i], size = std::fabs(each.param[i]) + 0.01;
      plain += g * g;
      adaptive += g * g * size * size;
    }
  CHECK(close(norms(all, 0)[0], double(std::sqrt(plain)), 1e-14));
  CHECK(close(norms(all, 0)[1], double(std::sqrt(adaptive)), 1e-14));
  for (std::size_t i = 0; i < 40'000; ++i)
    all[0].grad.set(i, i < 2 ? 3e200 + 1e200 * double(i) : 0);
  CHECK(close(norms(all, 0)[0], 5e200, 1e-14));
  all[0].param.set(0, 1);
  all[0].param.set(1, -1);
  CHECK(close(norms(all, 0)[1], 5e200 * 1.01, 1e-14));
  all[0].grad.set(39'999, infinity);
  CHECK(norms(all, 0)[0] == infinity);
  all[0].grad.set(39'998, std::nan(""));
  CHECK(std::isnan(norms(all, 0)[0]));
  std::vector<Operands> none;
  CHECK(norms(none, 0)[0] == 0);
}

TEST_CASE("units are clipped to a part of their parameters' norm") {
  struct Shape {
    std::size_t rows, columns;
  };
  for (const Shape shape : {Shape{1, 1}, {3, 17}, {1, 40'000}, {5, 20'000}, {600, 5}, {700, 100}})
    for (const bool by_columns : {false, true}) {
      CAPTURE(shape.rows);
      CAPTURE(shape.columns);
      CAPTURE(by_columns);
      Operands all(DType::float64, shape.rows * shape.columns, 1);
      const std::size_t count = by_columns ? shape.columns : shape.rows;
      const std::size_t each = by_columns ? shape.rows : shape.columns;
      const std::size_t stride = by_columns ? shape.columns : 1;
      for (std::size_t i = 0; i < all.grad.size(); i += 2) all.grad.set(i, all.grad[i] * 1e-3);
      if (count > 1)  // a unit that is not clipped, a huge one, and one whose parameters are 0
        for (std::size_t i = 0; i < each; ++i) {
          const auto at = [&](std::size_t unit) {
            return unit * (by_columns ? 1 : shape.columns) + i * stride;
          };
          all.grad.set(at(0), all.param[at(0)] * 0.04);
          all.grad.set(at(1), 1e300);
          all.param.set(at(count - 1), 0);
        }
      clip_units({{all.tensor(), shape.rows, shape.columns, by_columns}}, 0.1, 1e-3, 2, 2);
      double worst = 0;
      for (std::size_t unit = 0; unit < count; ++unit) {
        const std::size_t start = unit * (by_columns ? 1 : shape.columns);
        const double bound = 0.1 * std::max(naive_norm(all.param, start, stride, each), 1e-3);
        const double norm = 2 * naive_norm(all.grad, start, stride, each);
        for (std::size_t i = 0; i < each; ++i) {
          const double g = all.grad[start + i * stride];
          const double expected = norm > bound ? g * (bound / norm) : g;
          worst = std::max(worst, std::fabs(all.copy[start + i * stride] - expected) /
                                      std::max(std::fabs(expected), 1e-300));
        }
      }
      CHECK(worst < 1e-13);
    }
}

TEST_CASE("nonfinite gradients stay nonfinite when units are clipped") {
  for (const DType dtype : all_dtypes)
    for (const bool by_columns : {false, true})
      for (const double bad : {infinity, -infinity, std::nan("")}) {
        Operands all(dtype, 12, 1);
        all.grad.set(5, bad);
        clip_units({{all.tensor(), 3, 4, by_columns}}, 0.1, 1e-3, 1, 0);
        CHECK(std::isnan(all.copy[5]));
        for (const std::size_t other : {0U, 2U, 11U}) CHECK(std::isfinite(all.copy[other]));
      }
}
