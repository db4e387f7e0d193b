// Multiplication of dense matrices: sums in the documented order, bit-identical for every
// instruction set, number of threads and layout.
#include <doctest.h>

#include "core/threads.hpp"
#include "linalg/gemm.hpp"
#include "linalg/kernel_table.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

struct Shape {
  std::size_t rows, terms, columns;
};
// Full and partial tiles, one and several blocks of terms, and halves for different threads.
constexpr Shape shapes[] = {{0, 3, 2},    {2, 0, 3},    {1, 1, 1},    {9, 20, 49},
                            {5, 257, 17}, {300, 7, 21}, {40, 800, 60}};

/// Adds terms in order, in blocks, and then both halves.
template <class F>
F sum(const Array& a, const Array& b, const Shape& shape, std::size_t i, std::size_t j) {
  const std::size_t blocks = std::max<std::size_t>(1, (shape.terms + gemm_depth - 1) / gemm_depth);
  const std::size_t depth = (shape.terms + blocks - 1) / blocks;
  F halves[2] = {};
  for (std::size_t block = 0; block < blocks; ++block) {
    F of_block = 0;
    for (std::size_t k = block * depth; k < std::min((block + 1) * depth, shape.terms); ++k) {
      // The stored product cannot be fused with an addition.
      volatile F term = F(a[i * shape.terms + k]) * F(b[k * shape.columns + j]);
      of_block += term;
    }
    const std::size_t half = block < (blocks + 1) / 2 ? 0 : 1;
    halves[half] = block == 0 || block == (blocks + 1) / 2 ? of_block : halves[half] + of_block;
  }
  return blocks > 1 ? halves[0] + halves[1] : halves[0];
}

Array naive(const Array& a, const Array& b, const Shape& shape) {
  Array c(a.dtype(), shape.rows * shape.columns);
  for (std::size_t i = 0; i < shape.rows; ++i)
    for (std::size_t j = 0; j < shape.columns; ++j)
      c.set(i * shape.columns + j, a.dtype() == DType::float64 ? sum<double>(a, b, shape, i, j)
                                                               : sum<float>(a, b, shape, i, j));
  return c;
}

Array transposed(const Array& matrix, std::size_t rows, std::size_t columns) {
  Array other(matrix.dtype(), matrix.size());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) other.set(j * rows + i, matrix[i * columns + j]);
  return other;
}

StridedMatrix view(const Array& array, std::size_t rows, std::size_t columns, bool is_transposed) {
  const auto row = std::ptrdiff_t(columns), column = std::ptrdiff_t(rows);
  return is_transposed ? StridedMatrix{array.at(0), rows, columns, 1, column}
                       : StridedMatrix{array.at(0), rows, columns, row, 1};
}

}  // namespace

TEST_CASE("sums are made in the documented order") {
  const std::string before(isa_name(active_isa()));
  for (const DType dtype : layer_dtypes)
    for (const Shape& shape : shapes) {
      CAPTURE(shape.terms);
      const Array a = random_array(dtype, shape.rows * shape.terms, 3);
      const Array b = random_array(dtype, shape.terms * shape.columns, 4);
      const Array expected = naive(a, b, shape);
      const Array a_other = transposed(a, shape.rows, shape.terms);
      const Array b_other = transposed(b, shape.terms, shape.columns);
      for (const Isa isa : available_isas())
        for (const int threads : {1, 2, 4})
          for (const int layout : {0, 1, 2, 3}) {
            use_isa(isa_name(isa));
            set_thread_count(threads);
            const bool left = (layout & 1) != 0, right = (layout & 2) != 0;
            Array c = random_array(dtype, expected.size(), 5);
            gemm(view(left ? a_other : a, shape.rows, shape.terms, left),
                 view(right ? b_other : b, shape.terms, shape.columns, right), c.at(0),
                 std::ptrdiff_t(shape.columns), dtype);
            CHECK(difference(c, expected) == "");
          }
    }
  use_isa(before);
  set_thread_count(0);
}
