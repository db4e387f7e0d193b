#include "data/gather.hpp"

#include <cstring>
#include <string>

#include "core/errors.hpp"

namespace pyoptim {
namespace {

using Convert = void (*)(const std::byte* from, std::byte* to, std::size_t size);

template <class From, class To>
void convert(const std::byte* from, std::byte* to, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    From value;
    std::memcpy(&value, from + i * sizeof(From), sizeof(From));
    const To converted = To(value);  // NOLINT(bugprone-signed-char-misuse): a number
    std::memcpy(to + i * sizeof(To), &converted, sizeof(To));
  }
}

std::size_t bytes_of(Number number) {
  constexpr std::size_t bytes[] = {1, 2, 4, 8, 1, 2, 4, 8, 4, 8};
  return bytes[int(number)];
}

template <class To>
Convert converter(Number from) {
  constexpr Convert table[] = {convert<std::int8_t, To>,   convert<std::int16_t, To>,
                               convert<std::int32_t, To>,  convert<std::int64_t, To>,
                               convert<std::uint8_t, To>,  convert<std::uint16_t, To>,
                               convert<std::uint32_t, To>, convert<std::uint64_t, To>,
                               convert<float, To>,         convert<double, To>};
  return table[int(from)];
}

Convert converter(Number from, Number to) {
  if (to == Number::float32) return converter<float>(from);
  if (to == Number::float64) return converter<double>(from);
  return to == Number::int64 ? converter<std::int64_t>(from) : nullptr;
}

[[noreturn]] void refuse(std::int64_t row, std::size_t rows) {
  throw IndexError("there is no row " + std::to_string(row) + " of " + std::to_string(rows));
}

/// Calls copy(source row, index of the output row) for all rows, if all exist.
template <class Copy>
void over_rows(const RowTable& table, const std::int64_t* rows, std::size_t count,
               const Copy& copy) {
  if (rows == nullptr && count > table.rows) refuse(std::int64_t(count) - 1, table.rows);
  for (std::size_t i = 0; rows != nullptr && i < count; ++i)
    if (std::uint64_t(rows[i]) >= table.rows) refuse(rows[i], table.rows);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t row = rows == nullptr ? std::int64_t(i) : rows[i];
    copy(static_cast<const std::byte*>(table.data) + row * table.stride, i);
  }
}

}  // namespace

void gather_rows(const RowTable& table, const std::int64_t* rows, std::size_t count, void* out) {
  const std::size_t bytes = table.row_bytes;
  over_rows(table, rows, count, [=](const std::byte* row, std::size_t i) {
    std::memcpy(static_cast<std::byte*>(out) + i * bytes, row, bytes);
  });
}

bool gather_rows(const RowTable& table, const std::int64_t* rows, std::size_t count, Number from,
                 Number to, void* out) {
  const Convert function = converter(from, to);
  if (function == nullptr) return false;
  const std::size_t size = table.row_bytes / bytes_of(from), bytes = size * bytes_of(to);
  over_rows(table, rows, count, [=](const std::byte* row, std::size_t i) {
    function(row, static_cast<std::byte*>(out) + i * bytes, size);
  });
  return true;
}

std::size_t count_values(const CsrTable& table, const std::int64_t* rows, std::size_t count) {
  std::size_t values = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (std::uint64_t(rows[i]) >= table.rows) refuse(rows[i], table.rows);
    const std::int64_t start = table.starts[rows[i]], end = table.starts[rows[i] + 1];
    if (start < 0 || end < start || std::uint64_t(end) > table.size)
      throw IndexError("indptr: row " + std::to_string(rows[i]) + " is not within " +
                       std::to_string(table.size) + " values");
    values += std::size_t(end - start);
  }
  return values;
}

void gather_csr_rows(const CsrTable& table, const std::int64_t* rows, std::size_t count,
                     void* values, void* indices, std::int64_t* starts) {
  std::size_t place = 0;
  starts[0] = 0;
  const auto copy = [&](const void* from, std::size_t start, std::size_t size, std::size_t bytes,
                        void* to) {
    if (size > 0)
      std::memcpy(static_cast<std::byte*>(to) + place * bytes,
                  static_cast<const std::byte*>(from) + start * bytes, size * bytes);
  };
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = std::size_t(table.starts[rows[i]]);
    const std::size_t size = std::size_t(table.starts[rows[i] + 1]) - start;
    copy(table.values, start, size, table.value_bytes, values);
    copy(table.indices, start, size, table.index_bytes, indices);
    place += size;
    starts[i + 1] = std::int64_t(place);
  }
}

}  // namespace pyoptim
