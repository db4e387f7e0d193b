#include "linear/design.hpp"

#include <cstring>
#include <stdexcept>
#include <string>

namespace pyoptim {

PYOPTIM_PER_ISA(LinearTable, linear_table);

namespace {

constexpr std::size_t tile_elements = 8192;
constexpr std::size_t max_tile_rows = 512;
constexpr std::size_t row_group = 8;  // rows that kernels work on at once
constexpr std::size_t max_chunks = 64;
constexpr std::size_t min_chunk_elements = std::size_t{1} << 15;

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// The rows of a tile, for rows with so many elements on average.
std::size_t rows_of_tile(std::size_t rows, std::size_t elements) {
  const std::size_t row = std::max<std::size_t>(1, elements / std::max<std::size_t>(1, rows));
  const std::size_t wanted = tile_elements / row / row_group * row_group;
  return std::clamp(wanted, row_group, max_tile_rows);
}

template <class Index>
void check_indices(const CsrMatrix& x) {
  const auto* const indices = static_cast<const Index*>(x.indices);
  for (std::int64_t k = x.starts[0]; k < x.starts[x.rows]; ++k)
    if (indices[k] < 0 || std::size_t(indices[k]) >= x.columns)
      throw std::invalid_argument("x: expected indices from 0 to " + std::to_string(x.columns - 1) +
                                  ", got " + std::to_string(indices[k]));
}

template <class T>
void copy_rows(const StridedMatrix& x, const Design::Interval& rows, T* to) {
  // In squares, so that every loaded cache line is used completely, whichever axis is contiguous.
  constexpr std::size_t square = 16;
  const T* const from = static_cast<const T*>(x.data);
  for (std::size_t i = rows.begin; i < rows.end; i += square)
    for (std::size_t j = 0; j < x.columns; j += square)
      for (std::size_t column = j; column < std::min(j + square, x.columns); ++column)
        for (std::size_t row = i; row < std::min(i + square, rows.end); ++row)
          to[(row - rows.begin) * x.columns + column] =
              from[std::ptrdiff_t(row) * x.row_stride + std::ptrdiff_t(column) * x.column_stride];
}

}  // namespace

Design::Design(const DenseMatrix& x)
    : x_(x),
      rows_(x.elements.rows),
      columns_(x.elements.columns),
      elements_(rows_ * columns_),
      tile_rows_(rows_of_tile(rows_, elements_)),
      dtype_(x.dtype) {}

Design::Design(const CsrMatrix& x)
    : x_(x),
      rows_(x.rows),
      columns_(x.columns),
      elements_(std::size_t(x.starts[x.rows] - x.starts[0])),
      tile_rows_(rows_of_tile(rows_, elements_)),
      dtype_(x.dtype) {
  bool valid = x.starts[0] >= 0 && x.starts[x.rows] <= std::int64_t(x.size);
  for (std::size_t i = 0; i < x.rows; ++i) valid &= x.starts[i] <= x.starts[i + 1];
  if (!valid)
    throw std::invalid_argument(
        "x: expected an indptr that does not decrease, from 0 to the number of entries");
  x.wide ? check_indices<std::int64_t>(x) : check_indices<std::int32_t>(x);
}

std::size_t Design::chunks(std::size_t doubles) const {
  const std::size_t tiles = std::max<std::size_t>(1, ceil_div(rows_, tile_rows_));
  const std::size_t by_work = std::max<std::size_t>(1, elements_ / min_chunk_elements);
  // The memory of all chunks is small compared with the data, but at least two chunks can run at
  // once.
  const std::size_t item = item_size(dtype_) + (sparse() == nullptr ? 0 : sizeof(std::int32_t));
  const std::size_t memory = elements_ * item / 64 + (std::size_t{1} << 20);
  const std::size_t by_memory =
      std::max<std::size_t>(2, memory / (sizeof(double) * std::max<std::size_t>(1, doubles)));
  return std::min({tiles, by_work, by_memory, max_chunks});
}

Design::Interval Design::chunk(std::size_t index, std::size_t count) const {
  const std::size_t tiles = ceil_div(rows_, tile_rows_);
  return {std::min(tiles * index / count * tile_rows_, rows_),
          std::min(tiles * (index + 1) / count * tile_rows_, rows_)};
}

std::size_t Design::copy_bytes(std::size_t rows) const {
  const auto* const dense = std::get_if<DenseMatrix>(&x_);
  if (dense == nullptr || dense->elements.column_stride == 1 || columns_ <= 1) return 0;
  return rows * columns_ * item_size(dtype_);
}

DenseRows Design::dense_rows(const Interval& rows, void* memory) const {
  const StridedMatrix& x = std::get<DenseMatrix>(x_).elements;
  if (copy_bytes(rows.size()) == 0) {
    const auto bytes = std::ptrdiff_t(item_size(dtype_)) * std::ptrdiff_t(rows.begin);
    return {static_cast<const std::byte*>(x.data) + bytes * x.row_stride, rows.size(), columns_,
            x.row_stride};
  }
  if (dtype_ == DType::float64)
    copy_rows(x, rows, static_cast<double*>(memory));
  else
    copy_rows(x, rows, static_cast<float*>(memory));
  return {memory, rows.size(), columns_, std::ptrdiff_t(columns_)};
}

SparseRows Design::sparse_rows(const Interval& rows) const {
  const auto& x = std::get<CsrMatrix>(x_);
  return {x.values, x.indices, x.starts + rows.begin, rows.size()};
}

}  // namespace pyoptim
