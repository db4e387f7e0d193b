// Row-sparse gradients: how they are coalesced, and that a step with them is the dense step of
// these rows.
#include <doctest.h>

#include <map>
#include <random>

#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

/// Random row numbers, each `times` times on average.
std::vector<std::int64_t> random_rows(std::size_t limit, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 source(seed);
  std::vector<std::int64_t> rows(count);
  for (std::int64_t& row : rows) row = std::int64_t(source() % limit);
  return rows;
}

/// The positions of each row, computed naively.
std::map<std::size_t, std::vector<std::size_t>> positions(const std::vector<std::int64_t>& rows) {
  std::map<std::size_t, std::vector<std::size_t>> result;
  for (std::size_t i = 0; i < rows.size(); ++i) result[std::size_t(rows[i])].push_back(i);
  return result;
}

/// The sum of the values of these rows at one element, in the dtype of arithmetic, rounded to the
/// dtype.
double summed(const Array& values, const std::vector<std::size_t>& from, std::size_t length,
              std::size_t element) {
  double sum = values[from[0] * length + element];
  for (std::size_t k = 1; k < from.size(); ++k) {
    sum += values[from[k] * length + element];
    if (values.dtype() != DType::float64) sum = double(float(sum));
  }
  if (values.dtype() != DType::bfloat16 || from.size() == 1) return sum;
  const auto bits = std::bit_cast<std::uint32_t>(float(sum));
  return std::bit_cast<float>((bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U);
}

void check_values(const CoalescedRows& coalesced, const Array& values,
                  const std::vector<std::int64_t>& rows, std::size_t length) {
  const auto expected = positions(rows);
  REQUIRE(coalesced.size() == expected.size());
  CHECK(coalesced.row_count() == rows.size());
  Array row(values.dtype(), length);
  std::size_t index = 0;
  for (const auto& [number, from] : expected) {
    CHECK(coalesced.row(index) == number);
    coalesced.write(index, 0, length, row.at(0));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < length; ++i) wrong += row[i] != summed(values, from, length, i);
    CHECK(wrong == 0);
    ++index;
  }
}

/// A state of an optimizer's first tensor.
Array copy_of_stored(const Optimizer& optimizer, std::size_t state) {
  const StoredArray stored = optimizer.stored(0)[state];
  Array copy(state_dtype(optimizer.tensor(0).dtype), stored.size);
  std::memcpy(copy.at(0), stored.data, stored.size * item_size(copy.dtype()));
  return copy;
}

}  // namespace

TEST_CASE("duplicate rows are summed in the order given") {
  for (const DType dtype : all_dtypes)
    for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{300},
                                    std::size_t{511}, std::size_t{512}, std::size_t{3000}})
      for (const std::size_t limit : {std::size_t{1}, std::size_t{2}, std::size_t{100},
                                      std::size_t{2048}, std::size_t{2049}, std::size_t{10000000}})
        for (const std::size_t length : {std::size_t{1}, std::size_t{5}}) {
          CAPTURE(name_of(dtype));
          CAPTURE(count);
          CAPTURE(limit);
          const std::vector<std::int64_t> rows = random_rows(limit, count, count + limit);
          const Array values = random_array(dtype, count * length, 3);
          CoalescedRows coalesced;
          coalesced.coalesce({values.at(0), rows.data(), count}, limit, length, dtype);
          check_values(coalesced, values, rows, length);
        }
}

TEST_CASE("a step does not depend on the rows of the one before") {
  CoalescedRows coalesced;
  for (const std::size_t count : {std::size_t{900}, std::size_t{3}, std::size_t{600}}) {
    const std::vector<std::int64_t> rows = random_rows(700, count, count);
    const Array values = random_array(DType::float32, count * 40, count);
    coalesced.coalesce({values.at(0), rows.data(), count}, 700, 40, DType::float32);
    check_values(coalesced, values, rows, 40);
    coalesced.gather(1);
    check_values(coalesced, values, rows, 40);
  }
}

TEST_CASE("long rows are added part by part") {
  constexpr std::size_t length = 3001;
  for (const DType dtype : all_dtypes) {
    const std::vector<std::int64_t> rows{4, 0, 4, 4};
    const Array values = random_array(dtype, rows.size() * length, 5);
    CoalescedRows coalesced;
    coalesced.coalesce({values.at(0), rows.data(), rows.size()}, 9, length, dtype);
    check_values(coalesced, values, rows, length);
    CHECK_FALSE(coalesced.is_sum(0));
    CHECK(coalesced.is_sum(1));
    Array middle(dtype, 700), whole(dtype, length);
    coalesced.write(1, 600, 700, middle.at(0));
    coalesced.write(1, 0, length, whole.at(0));
    CHECK(difference(middle, 0, whole, 600, 700) == "");
  }
}

TEST_CASE("values of ascending rows are read in place, and gathered values are contiguous") {
  const Array values = random_array(DType::float64, 12, 1);
  const std::vector<std::int64_t> rising{1, 5, 6}, mixed{6, 1, 6};
  CoalescedRows coalesced;
  coalesced.coalesce({values.at(0), rising.data(), 3}, 7, 4, DType::float64);
  CHECK(coalesced.values(2, 1) == values.at(9));
  CHECK(coalesced.gather(1) == values.at(0));
  coalesced.coalesce({values.at(0), mixed.data(), 3}, 7, 4, DType::float64);
  CHECK(coalesced.values(0, 1) == values.at(5));
  const auto* const gathered = static_cast<const std::byte*>(coalesced.gather(1));
  CHECK(coalesced.values(1, 2) == gathered + 6 * sizeof(double));
  CHECK_FALSE(coalesced.is_sum(1));
}

TEST_CASE("a gradient of no rows touches nothing") {
  CoalescedRows coalesced;
  const std::int64_t none = 0;
  coalesced.coalesce({nullptr, &none, 0}, 0, 0, DType::float32);
  CHECK(coalesced.size() == 0);
  CHECK(coalesced.row_count() == 0);
}

TEST_CASE("a step with rows is the dense step of these rows, with any number of threads") {
  constexpr std::size_t table = 3000, length = 50, count = 2000;
  for (const RuleInfo* rule : all_rules())
    for (const DType dtype : all_dtypes)
      for (const int threads : {1, 2, 5}) {
        if (!rule->supports_row_grad) continue;
        CAPTURE(rule->name);
        CAPTURE(name_of(dtype));
        CAPTURE(threads);
        const auto settings = settings_of(*rule, choices_of_hyper(*rule).front());
        Array sparse = random_array(dtype, table * length, 1), dense = sparse;
        const TensorSpec spec{"p", sparse.at(0), table * length, dtype, nullptr, {table, length}};
        Optimizer by_rows(rule->name, {{settings, {spec}}}, {.threads = threads});
        TensorSpec other = spec;
        other.data = dense.at(0);
        Optimizer whole(rule->name, {{settings, {other}}}, {});
        for (std::uint64_t step = 0; step < 3; ++step) {
          const std::vector<std::int64_t> rows = random_rows(table, count, step);
          const Array values = random_array(dtype, count * length, step);
          const Array before = dense;
          std::vector<Array> states;
          for (std::size_t k = 0; k < rule->state_count; ++k)
            states.push_back(copy_of_stored(whole, k));
          Array grad(dtype, table * length);
          for (const auto& [row, from] : positions(rows))
            for (std::size_t i = 0; i < length; ++i)
              grad.set(row * length + i, summed(values, from, length, i));
          const Gradient gradient{values.at(0), rows.data(), count};
          by_rows.step(&gradient);
          const void* const grads[] = {grad.at(0)};
          whole.step(grads);
          // All untouched rows are restored.
          const auto touched = positions(rows);
          for (std::size_t row = 0; row < table; ++row) {
            if (touched.contains(row)) continue;
            const std::size_t first = row * length;
            std::memcpy(dense.at(first), before.at(first), length * item_size(dtype));
            const std::size_t item = item_size(state_dtype(dtype));
            for (std::size_t k = 0; k < rule->state_count && step > 0; ++k) {
              const std::size_t numbers = states[k].size() / table;  // of a row
              std::memcpy(static_cast<std::byte*>(whole.tensor(0).state[k]) + row * numbers * item,
                          states[k].at(row * numbers), numbers * item);
            }
          }
          CHECK(difference(sparse, dense) == "");
          for (std::size_t k = 0; k < rule->state_count; ++k)
            CHECK((step == 0 ||
                   difference(copy_of_stored(by_rows, k), copy_of_stored(whole, k)) == ""));
        }
        CHECK(by_rows.tensor(0).steps == 3);
      }
}

TEST_CASE("fused options, and some rules, do not support row-sparse gradients") {
  Array param = random_array(DType::float32, 6, 1);
  const TensorSpec spec{"p", param.at(0), 6, DType::float32, nullptr, {3, 2}};
  const std::int64_t row = 1;
  const Gradient gradient{param.at(0), &row, 1};
  for (const RuleInfo* rule : all_rules()) {
    if (rule->supports_row_grad) continue;
    const auto settings = settings_of(*rule, choices_of_hyper(*rule).front());
    Optimizer optimizer(rule->name, {{settings, {spec}}}, {});
    CHECK(message_of([&] { optimizer.step(&gradient); }) ==
          std::string(rule->name) + ": this optimizer takes no gradients of rows");
  }
  Optimizer averaging("SGD", {{{}, {spec}}}, {.fused = {.ema_decay = 0.5}});
  CHECK_FALSE(averaging.supports_row_grad());
  CHECK(message_of([&] { averaging.step(&gradient); }) ==
        "SGD: this optimizer takes no gradients of rows");
  CHECK(averaging.steps() == 0);
}
