// Rows of tables on their way to a model: those of a mini-batch, gathered and converted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/export.hpp"

namespace pyoptim {

/// The numbers that tables may have; bools are uint8.
enum class Number : std::uint8_t {
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float32,
  float64
};

/// Rows of equally many bytes each, in memory of any alignment.
struct RowTable {
  const void* data;
  std::ptrdiff_t stride;  ///< Bytes from one row to the next.
  std::size_t rows;
  std::size_t row_bytes;
};

/// Row i of `out` becomes row rows[i] of the table, or row i without `rows`. IndexError if
/// there is none. The threads of a caller are its own affair: this takes one.
PYOPTIM_API void take_rows(const RowTable& table, const std::int64_t* rows, std::size_t count,
                           void* out);

/// The same, with numbers converted as C++ does. Returns false if `to` is none of float32, float64
/// and int64.
PYOPTIM_API bool take_rows(const RowTable& table, const std::int64_t* rows, std::size_t count,
                           Number from, Number to, void* out);

/// A table in compressed rows: row i has the values and indices from starts[i] to starts[i + 1].
struct CsrTable {
  const void* values;
  const void* indices;
  const std::int64_t* starts;
  std::size_t rows;
  std::size_t size;  ///< of `values` and `indices`
  std::size_t value_bytes;
  std::size_t index_bytes;
};

/// How many values these rows have. IndexError if there is no such row, or its values would
/// lie outside of the table.
PYOPTIM_API std::size_t count_values(const CsrTable& table, const std::int64_t* rows,
                                     std::size_t count);

/// Writes these rows after each other; count_values() must have seen them.
PYOPTIM_API void take_csr_rows(const CsrTable& table, const std::int64_t* rows, std::size_t count,
                               void* values, void* indices, std::int64_t* starts);

}  // namespace pyoptim
