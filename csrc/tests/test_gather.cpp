// Rows of tables: copied, converted, and rejected if they do not exist.
#include <doctest.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "data/gather.hpp"

using namespace pyoptim;

TEST_CASE("rows are copied and converted, whatever their alignment") {
  const std::int16_t numbers[] = {1, -2, 3, -4, 5, -6};
  std::vector<std::byte> memory(sizeof(numbers) + 1);
  std::memcpy(memory.data() + 1, numbers, sizeof(numbers));
  const RowTable table{memory.data() + 1, 4, 3, 4};
  const std::int64_t rows[] = {2, 0, 2};
  std::int16_t copied[6];
  gather_rows(table, rows, 3, copied);
  CHECK(std::vector<int>(copied, copied + 6) == std::vector<int>{5, -6, 1, -2, 5, -6});
  double converted[6];
  CHECK(gather_rows(table, rows, 3, Number::int16, Number::float64, converted));
  CHECK(std::vector<double>(converted, converted + 6) == std::vector<double>{5, -6, 1, -2, 5, -6});
  float in_order[6];
  CHECK(gather_rows(table, nullptr, 3, Number::int16, Number::float32, in_order));
  CHECK(std::vector<float>(in_order, in_order + 6) == std::vector<float>{1, -2, 3, -4, 5, -6});
  CHECK_FALSE(gather_rows(table, rows, 3, Number::int16, Number::uint8, converted));
}

TEST_CASE("nothing is written if there is no such row") {
  const float values[] = {1, 2, 3, 4};
  const RowTable table{values, 8, 2, 8};
  float out[4] = {7, 7, 7, 7};
  for (const std::int64_t wrong : {std::int64_t{2}, std::int64_t{-1}}) {
    const std::int64_t rows[] = {0, wrong};
    CHECK_THROWS_AS(gather_rows(table, rows, 2, out), std::out_of_range);
    CHECK_THROWS_AS(gather_rows(table, rows, 2, Number::float32, Number::float32, out),
                    std::out_of_range);
  }
  CHECK_THROWS_AS(gather_rows(table, nullptr, 3, out), std::out_of_range);
  for (const float value : out) CHECK(value == 7);
}

TEST_CASE("rows of a sparse table") {
  const double values[] = {1, 2, 3, 4};
  const std::int32_t indices[] = {5, 6, 7, 8};
  const std::int64_t starts[] = {0, 1, 1, 4};
  const CsrTable table{values, indices, starts, 3, 4, sizeof(double), sizeof(std::int32_t)};
  const std::int64_t rows[] = {2, 1, 0};
  CHECK(count_values(table, rows, 3) == 4);
  double taken[4];
  std::int32_t columns[4];
  std::int64_t ends[4];
  gather_csr_rows(table, rows, 3, taken, columns, ends);
  CHECK(std::vector<double>(taken, taken + 4) == std::vector<double>{2, 3, 4, 1});
  CHECK(std::vector<int>(columns, columns + 4) == std::vector<int>{6, 7, 8, 5});
  CHECK(std::vector<std::int64_t>(ends, ends + 4) == std::vector<std::int64_t>{0, 3, 3, 4});
  const std::int64_t none[] = {3};
  CHECK_THROWS_AS(count_values(table, none, 1), std::out_of_range);
  const std::int64_t broken[] = {0, 5, 2, 4};
  const CsrTable wrong{values, indices, broken, 3, 4, sizeof(double), sizeof(std::int32_t)};
  for (const std::int64_t row : {0, 1})
    CHECK_THROWS_AS(count_values(wrong, &row, 1), std::out_of_range);
}
