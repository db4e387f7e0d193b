#include "data/gather.hpp"

#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/arrays.hpp"

namespace pyoptim::bindings {
namespace {

/// The number type of a dtype that gather_rows() converts, in the machine's byte order.
std::optional<Number> number_of(const py::dtype& dtype) {
  if (!is_native(dtype)) return std::nullopt;
  const auto size = dtype.itemsize();
  const int rank = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : -1;
  if (rank < 0) return std::nullopt;
  switch (dtype.kind()) {
    case 'i':
      return Number(int(Number::int8) + rank);
    case 'b':
    case 'u':
      return Number(int(Number::uint8) + rank);
    case 'f':
      if (rank < 2) return std::nullopt;
      return Number(int(Number::float32) + rank - 2);
    default:
      return std::nullopt;
  }
}

/// Whether each row is contiguous.
bool has_plain_rows(const py::array& array) {
  py::ssize_t bytes = array.itemsize();
  for (py::ssize_t axis = array.ndim() - 1; axis > 0; --axis) {
    if (array.strides(axis) != bytes && array.shape(axis) > 1) return false;
    bytes *= array.shape(axis);
  }
  return true;
}

const std::int64_t* row_numbers(const py::array& rows) {
  if (rows.ndim() != 1 || rows.dtype().kind() != 'i' || rows.itemsize() != 8 || !is_plain(rows) ||
      !is_native(rows.dtype()))
    throw py::type_error("rows: expected a contiguous int64 array of 1 axis");
  return static_cast<const std::int64_t*>(rows.data());
}

bool take(const py::array& source, const std::optional<py::array>& rows, const py::array& out) {
  if (source.ndim() < 1 || !has_plain_rows(source)) return false;
  const std::int64_t* const numbers = rows ? row_numbers(*rows) : nullptr;
  const auto count = std::size_t(rows ? rows->size() : source.shape(0));
  check_updatable(out, "out");
  bool fits = out.ndim() == source.ndim() && std::size_t(out.shape(0)) == count;
  std::size_t width = 1;
  for (py::ssize_t axis = 1; fits && axis < source.ndim(); ++axis) {
    fits = out.shape(axis) == source.shape(axis);
    width *= std::size_t(source.shape(axis));
  }
  if (!fits)
    throw py::value_error("out: expected " + std::to_string(count) +
                          " rows such as those of the source, got shape " + shape_text(out));
  const RowTable table{source.data(), source.strides(0), std::size_t(source.shape(0)),
                       width * std::size_t(source.itemsize())};
  void* const to = const_cast<void*>(out.data());
  const bool alike = source.dtype().equal(out.dtype());
  if (alike && source.dtype().kind() == 'O') return false;
  const auto from_number = number_of(source.dtype()), to_number = number_of(out.dtype());
  if (!alike && (!from_number || !to_number)) return false;
  const py::gil_scoped_release released;
  if (!alike) return gather_rows(table, numbers, count, *from_number, *to_number, to);
  gather_rows(table, numbers, count, to);
  return true;
}

/// The arrays of a CSR table, checked against each other.
CsrTable csr_table(const py::array& data, const py::array& indices, const py::array& indptr) {
  const std::int64_t* const starts = row_numbers(indptr);
  if (!is_plain(data) || !is_plain(indices) || data.ndim() != 1 || indices.ndim() != 1 ||
      data.size() != indices.size() || indptr.size() < 1)
    throw py::value_error("expected contiguous data and indices of one length, and an indptr");
  return {data.data(),
          indices.data(),
          starts,
          std::size_t(indptr.size()) - 1,
          std::size_t(data.size()),
          std::size_t(data.itemsize()),
          std::size_t(indices.itemsize())};
}

std::size_t count(const py::array& data, const py::array& indices, const py::array& indptr,
                  const py::array& rows) {
  return count_values(csr_table(data, indices, indptr), row_numbers(rows),
                      std::size_t(rows.size()));
}

void gather_csr(const py::array& data, const py::array& indices, const py::array& indptr,
                const py::array& rows, const py::array& out_data, const py::array& out_indices,
                const py::array& out_indptr) {
  const CsrTable table = csr_table(data, indices, indptr);
  const std::int64_t* const numbers = row_numbers(rows);
  const auto chosen = std::size_t(rows.size());
  for (const py::array* out : {&out_data, &out_indices, &out_indptr}) check_updatable(*out, "out");
  const std::size_t values = count_values(table, numbers, chosen);
  if (std::size_t(out_data.size()) < values || std::size_t(out_indices.size()) < values ||
      std::size_t(out_indptr.size()) != chosen + 1 || !out_data.dtype().equal(data.dtype()) ||
      !out_indices.dtype().equal(indices.dtype()))
    throw py::value_error("out: expected arrays alike, with room for " + std::to_string(values) +
                          " values of " + std::to_string(chosen) + " rows");
  row_numbers(out_indptr);
  void* const to_data = const_cast<void*>(out_data.data());
  void* const to_indices = const_cast<void*>(out_indices.data());
  auto* const to_starts = static_cast<std::int64_t*>(const_cast<void*>(out_indptr.data()));
  const py::gil_scoped_release released;
  gather_csr_rows(table, numbers, chosen, to_data, to_indices, to_starts);
}

}  // namespace

void bind_gather(py::module_& module) {
  module.def("gather_rows", &take, py::arg("source"), py::arg("rows"), py::arg("out"),
             "out = source[rows], converted; all rows if rows is None. Releases the GIL.\n"
             "Returns False, and does nothing, for unsupported dtypes or strides.");
  module.def("count_csr_values", &count, py::arg("data"), py::arg("indices"), py::arg("indptr"),
             py::arg("rows"), "Returns the number of values of these rows.");
  module.def("gather_csr_rows", &gather_csr, py::arg("data"), py::arg("indices"), py::arg("indptr"),
             py::arg("rows"), py::arg("out_data"), py::arg("out_indices"), py::arg("out_indptr"),
             "Copies some of the rows. Releases the GIL.");
}

}  // namespace pyoptim::bindings
