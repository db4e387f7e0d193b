// Gathers the rows of a mini-batch from tables, and converts them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/export.hpp"

namespace pyoptim {

/// The number types of tables. Booleans are uint8.
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

/// A table with rows of `width` bytes, at any alignment.
struct RowTable {
  const void* data;
  std::ptrdiff_t stride;  ///< The bytes from one row to the next.
  std::size_t rows;
  std::size_t row_bytes;
};

/// out[i] <- row rows[i] of the table, or row i if `rows` is nullptr. Throws IndexError if there is
/// no such row. Uses the calling thread only.
PYOPTIM_API void gather_rows(const RowTable& table, const std::int64_t* rows, std::size_t count,
                             void* out);

/// The same with numbers converted as in C++. Returns false unless `to` is float32, float64 or
/// int64.
PYOPTIM_API bool gather_rows(const RowTable& table, const std::int64_t* rows, std::size_t count,
                             Number from, Number to, void* out);

/// A sparse table (CSR): row i has the values and indices starts[i] to starts[i + 1].
struct CsrTable {
  const void* values;
  const void* indices;
  const std::int64_t* starts;
  std::size_t rows;
  std::size_t size;  ///< of `values` and `indices`
  std::size_t value_bytes;
  std::size_t index_bytes;
};

/// The number of values of these rows. Throws IndexError if a row does not exist or is out of
/// bounds.
PYOPTIM_API std::size_t count_values(const CsrTable& table, const std::int64_t* rows,
                                     std::size_t count);

/// Writes these rows one after the other. Call count_values() first, which checks them.
PYOPTIM_API void gather_csr_rows(const CsrTable& table, const std::int64_t* rows, std::size_t count,
                                 void* values, void* indices, std::int64_t* starts);

}  // namespace pyoptim
