#include "linalg/gemm.hpp"

#include <string>

#include "bindings/matrices.hpp"

namespace pyoptim::bindings {
namespace {

/// The first byte of a matrix, and the byte after its last one.
std::pair<const char*, const char*> extent(const StridedMatrix& m, std::size_t item) {
  const char* low = static_cast<const char*>(m.data);
  const char* high = low;
  if (m.rows == 0 || m.columns == 0) return {low, low};
  for (const auto& [count, stride] :
       {std::pair(m.rows, m.row_stride), std::pair(m.columns, m.column_stride)})
    (stride < 0 ? low : high) += std::ptrdiff_t(count - 1) * stride * std::ptrdiff_t(item);
  return {low, high + item};
}

void matmul(const py::array& a, const py::array& b, const py::array& out) {
  const Matrix into = matrix(out, "out");
  const StridedMatrix left = strided_matrix(a, "a", into.dtype),
                      right = strided_matrix(b, "b", into.dtype);
  if (out.ndim() != 2 || left.rows != into.rows || right.columns != into.columns ||
      left.columns != right.rows)
    throw py::value_error("expected a, b and out of shapes (n, k), (k, m) and (n, m), got " +
                          shape_text(a) + ", " + shape_text(b) + " and " + shape_text(out));
  const auto* const begin = static_cast<const char*>(into.data);
  const auto* const end = begin + out.nbytes();
  for (const StridedMatrix& each : {left, right}) {
    const auto [low, high] = extent(each, std::size_t(out.itemsize()));
    if (low < end && begin < high) throw py::value_error("out: overlaps a or b in memory");
  }
  const py::gil_scoped_release released;
  gemm(left, right, into.data, std::ptrdiff_t(into.columns), into.dtype);
}

}  // namespace

void bind_gemm(py::module_& module) {
  module.def(
      "matmul", &matmul, py::arg("a"), py::arg("b"), py::arg("out"),
      "out = a @ b, where a and b may be strided. The bits are the same on every processor and\n"
      "for every number of threads.");
}

}  // namespace pyoptim::bindings
