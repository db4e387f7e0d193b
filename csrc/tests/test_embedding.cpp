// Models with embedding tables: the same bits for every instruction set and number of threads, and
// checks of row numbers. Results are tested in Python, against formulas and finite differences.
#include <doctest.h>

#include <stdexcept>

#include "core/threads.hpp"
#include "embedding/embedding.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

struct Shape {
  std::size_t rows, rank;
};
constexpr Shape shapes[] = {{0, 3}, {1, 1}, {7, 16}, {33, 67}, {5, 130}};
// Enough work for several threads even on a busy machine.
constexpr Shape long_shape{16411, 130};
static_assert(long_shape.rows * long_shape.rank > BusyWatch::short_below);

constexpr std::size_t table_rows = 50;

/// Row numbers, every third of which is the same.
std::vector<std::int64_t> some_numbers(std::size_t size) {
  std::vector<std::int64_t> numbers(size);
  std::mt19937_64 source(7);
  for (std::size_t i = 0; i < size; ++i)
    numbers[i] = i % 3 == 0 ? 4 : std::int64_t(source() % table_rows);
  return numbers;
}

/// The outputs and results of all kernels.
std::vector<Array> run(DType dtype, Shape shape) {
  const auto [rows, rank] = shape;
  const Array p = random_array(dtype, table_rows * rank, 1), b = random_array(dtype, table_rows, 2);
  const Array grad = random_array(dtype, rows, 3);
  const std::vector<double> weights(rows, 2);
  const RowPenalty penalty{0.3, mean_scale(weights.data(), rows), weights.data()};
  std::vector<Array> result;
  const auto array = [&](std::size_t size) { return Array(dtype, size); };
  Array penalties(DType::float64, 3);

  const std::vector<std::int64_t> pairs = some_numbers(2 * rows);
  const PairTables both{{p.at(0), p.at(0)}, {b.at(0), b.at(0)}, {nullptr, nullptr}, 0.5, rank};
  Array scores = array(rows);
  pair_scores(dtype, both, pairs.data(), scores.at(0), rows);
  Array left = array(rows * rank), right = left, left_bias = array(rows), right_bias = left_bias;
  const RowValues to{{left.at(0), right.at(0)}, {left_bias.at(0), right_bias.at(0)}};
  penalties.set(0, pair_grads(dtype, both, pairs.data(), grad.at(0), penalty, to, rows));
  result.insert(result.end(), {scores, left, right, left_bias, right_bias});

  // Rows have zero, one and two entries in turn.
  std::vector<std::int64_t> offsets(rows + 1);
  for (std::size_t i = 0; i < rows; ++i) offsets[i + 1] = offsets[i] + std::int64_t(i % 3);
  const auto size = std::size_t(offsets[rows]);
  const std::vector<std::int64_t> ids = some_numbers(size);
  const Array values = random_array(dtype, size, 4);
  const Entries entries{offsets.data(), ids.data(), values.at(0), 0, rows};
  const FeatureTables features{b.at(0), p.at(0), 0.5, rank};
  Array sums = array(rows * rank), machine = array(rows);
  feature_scores(dtype, features, entries, sums.at(0), machine.at(0));
  Array by_factor = array(size * rank), by_weight = array(size);
  const RowValues of_entries{{by_factor.at(0), nullptr}, {by_weight.at(0), nullptr}};
  penalties.set(
      1, feature_grads(dtype, features, entries, sums.at(0), grad.at(0), penalty, of_entries));
  result.insert(result.end(), {sums, machine, by_factor, by_weight});

  const BagShape bags{rank, rank + 2, true};
  Array inputs = array(rows * bags.stride), by_row = array(size * rank);
  bag_inputs(dtype, p.at(0), entries, bags, inputs.at(0));
  penalties.set(2, bag_grads(dtype, p.at(0), entries, bags, inputs.at(0), penalty, by_row.at(0)));
  result.insert(result.end(), {inputs, by_row, penalties});
  return result;
}

std::string difference(const std::vector<Array>& got, const std::vector<Array>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (const std::string text = difference(got[i], expected[i]); !text.empty())
      return "array " + std::to_string(i) + ": " + text;
  return "";
}

}  // namespace

TEST_CASE("embedding models have the same bits for every instruction set") {
  for (const DType dtype : layer_dtypes)
    for (const Shape shape : shapes) {
      CAPTURE(name_of(dtype));
      CAPTURE(shape.rows);
      CAPTURE(shape.rank);
      use_isa("baseline");
      const std::vector<Array> expected = run(dtype, shape);
      for (const Isa isa : available_isas()) {
        use_isa(isa_name(isa));
        CHECK(difference(run(dtype, shape), expected) == "");
      }
    }
}

TEST_CASE("embedding models have the same bits for every number of threads") {
  for (const DType dtype : layer_dtypes) {
    set_thread_count(1);
    const std::vector<Array> expected = run(dtype, long_shape);
    for (const int threads : {2, 3, 8}) {
      CAPTURE(threads);
      set_thread_count(threads);
      CHECK(difference(run(dtype, long_shape), expected) == "");
    }
    set_thread_count(0);
  }
}

TEST_CASE("numbers of rows are checked") {
  const std::int64_t numbers[] = {0, 4, 2, 5, 1, -1};
  CHECK_NOTHROW(check_numbers(numbers, 3, 1, 1, 5, "users"));
  CHECK_THROWS_WITH_AS(check_numbers(numbers, 6, 1, 2, 5, "users"),
                       "x: expected users from 0 to 4, got 5 at row 1", std::invalid_argument);
  CHECK_THROWS_WITH_AS(check_numbers(numbers + 1, 3, 2, 1, 6, "items"),
                       "x: expected items from 0 to 5, got -1 at row 2", std::invalid_argument);
}
