// Sparse matrix multiplication: correct compared with naive loops, and the same bits for every
// instruction set and number of threads.
#include <doctest.h>

#include <stdexcept>

#include "core/threads.hpp"
#include "linalg/spmm.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

struct Shape {
  std::size_t rows, columns, outputs, max_row_size;
};
// The last one is enough for several threads even on a busy machine.
constexpr Shape shapes[] = {{0, 3, 2, 0},    {1, 1, 1, 1},   {7, 5, 1, 9},
                            {20, 33, 16, 4}, {9, 40, 21, 7}, {700, 900, 33, 200}};

/// A matrix with empty rows, unordered columns and duplicates.
struct Sparse {
  Sparse(DType dtype, const Shape& shape, bool wide) : values(dtype, 0) {
    std::mt19937_64 source(1);
    for (std::size_t i = 0; i < shape.rows; ++i) {
      const std::size_t size = i % 3 == 1 ? 0 : source() % (shape.max_row_size + 1);
      for (std::size_t k = 0; k < size; ++k) {
        longs.push_back(std::int64_t(source() % shape.columns));
        ints.push_back(std::int32_t(longs.back()));
      }
      starts.push_back(std::int64_t(longs.size()));
    }
    values = random_array(dtype, longs.size(), 2);
    const void* const indices =
        wide ? static_cast<const void*>(longs.data()) : static_cast<const void*>(ints.data());
    matrix = {values.at(0),  indices,      starts.data(),  shape.rows,
              shape.columns, longs.size(), values.dtype(), wide};
  }
  Sparse(const Sparse&) = delete;
  Sparse& operator=(const Sparse&) = delete;

  Array values;
  std::vector<std::int64_t> longs, starts{0};
  std::vector<std::int32_t> ints;
  CsrMatrix matrix;
};

struct Products {
  Array product, transposed;
};

Products multiply(const Sparse& x, const Shape& shape, Array& w, Array& d) {
  const DType dtype = x.matrix.dtype;
  Products result{Array(dtype, shape.rows * shape.outputs),
                  Array(dtype, shape.columns * shape.outputs)};
  spmm(x.matrix, {w.at(0), shape.columns, shape.outputs, dtype}, result.product.at(0));
  spmm_transposed(x.matrix, {d.at(0), shape.rows, shape.outputs, dtype}, result.transposed.at(0));
  return result;
}

Products naive(const Sparse& x, const Shape& shape, const Array& w, const Array& d) {
  const std::size_t outputs = shape.outputs;
  std::vector<double> product(shape.rows * outputs), transposed(shape.columns * outputs);
  for (std::size_t i = 0; i < shape.rows; ++i)
    for (auto k = std::size_t(x.starts[i]); k < std::size_t(x.starts[i + 1]); ++k)
      for (std::size_t j = 0; j < outputs; ++j) {
        const auto column = std::size_t(x.longs[k]);
        product[i * outputs + j] += x.values[k] * w[column * outputs + j];
        transposed[column * outputs + j] += x.values[k] * d[i * outputs + j];
      }
  Products result{Array(x.matrix.dtype, product.size()), Array(x.matrix.dtype, transposed.size())};
  for (std::size_t i = 0; i < product.size(); ++i) result.product.set(i, product[i]);
  for (std::size_t i = 0; i < transposed.size(); ++i) result.transposed.set(i, transposed[i]);
  return result;
}

double largest_difference(const Array& a, const Array& b) {
  double max = 0;
  for (std::size_t i = 0; i < a.size(); ++i) max = std::max(max, std::fabs(a[i] - b[i]));
  return max;
}

}  // namespace

TEST_CASE("products equal naive loops, with the same bits on every instruction set") {
  const std::string before(isa_name(active_isa()));
  for (const DType dtype : layer_dtypes)
    for (const bool wide : {false, true})
      for (const Shape& shape : shapes) {
        CAPTURE(shape.rows);
        const Sparse x(dtype, shape, wide);
        Array w = random_array(dtype, shape.columns * shape.outputs, 3);
        Array d = random_array(dtype, shape.rows * shape.outputs, 4);
        const Products expected = naive(x, shape, w, d);
        const Products first = multiply(x, shape, w, d);
        const double tolerance = dtype == DType::float64 ? 1e-12 : 2e-5;
        CHECK(largest_difference(first.product, expected.product) <= tolerance);
        CHECK(largest_difference(first.transposed, expected.transposed) <= tolerance);
        for (const Isa isa : available_isas())
          for (const int threads : {1, 2, 5}) {
            use_isa(isa_name(isa));
            set_thread_count(threads);
            const Products again = multiply(x, shape, w, d);
            CHECK(difference(again.product, first.product) == "");
            CHECK(difference(again.transposed, first.transposed) == "");
          }
        use_isa(before);
        set_thread_count(0);
      }
}

TEST_CASE("invalid sparse matrices are refused") {
  const double values[] = {1, 2, 3};
  const std::int64_t right[] = {0, 2, 3};
  double w[6] = {}, out[6] = {};
  const auto refused = [&](std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t first,
                           std::int64_t last) {
    const std::int64_t starts[] = {a, b, c}, indices[] = {first, 2, last};
    const CsrMatrix x{values, indices, starts, 2, 3, 3, DType::float64, true};
    CHECK_THROWS_AS(spmm(x, {w, 3, 2, DType::float64}, out), std::invalid_argument);
    CHECK_THROWS_AS(spmm_transposed(x, {w, 2, 2, DType::float64}, out), std::invalid_argument);
  };
  refused(0, 2, 3, 0, 3);
  refused(0, 2, 3, -1, 1);
  refused(0, 2, 4, 0, 1);
  refused(-1, 2, 3, 0, 1);
  refused(0, 3, 2, 0, 1);
  const std::int64_t indices[] = {0, 2, 1};
  const CsrMatrix x{values, indices, right, 2, 3, 3, DType::float64, true};
  CHECK_NOTHROW(spmm(x, {w, 3, 2, DType::float64}, out));
}
