#include "linalg/spmm.hpp"
#include "bindings/matrices.hpp"

namespace pyoptim::bindings {
namespace {

/// Throws ValueError unless a dense matrix has this shape and the dtype of the sparse one.
Matrix dense(const py::array& array, const std::string& name, std::size_t rows, DType dtype,
             bool only_read) {
  const Matrix result = matrix(array, name, only_read);
  if (result.rows != rows || result.dtype != dtype)
    throw py::value_error(name + ": expected " + std::to_string(rows) + " rows of the dtype of x");
  return result;
}

void product(const py::array& data, const py::array& indices, const py::array& indptr,
             const py::array& w, const py::array& out) {
  const Matrix factor = matrix(w, "w", true);
  const CsrMatrix x = csr_matrix(data, indices, indptr, factor.rows);
  const Matrix into = dense(out, "out", x.rows, x.dtype, false);
  if (into.columns != factor.columns || factor.dtype != x.dtype)
    throw py::value_error("w: expected as many columns as out, and the dtype of x");
  const py::gil_scoped_release released;
  spmm(x, factor, into.data);
}

void transposed_product(const py::array& data, const py::array& indices, const py::array& indptr,
                        const py::array& d, const py::array& out) {
  const Matrix into = matrix(out, "out");
  const CsrMatrix x = csr_matrix(data, indices, indptr, into.rows);
  const Matrix factor = dense(d, "d", x.rows, x.dtype, true);
  if (into.columns != factor.columns || into.dtype != x.dtype)
    throw py::value_error("out: expected as many columns as d, and the dtype of x");
  const py::gil_scoped_release released;
  spmm_transposed(x, factor, into.data);
}

}  // namespace

void bind_spmm(py::module_& module) {
  module.def("spmm", &product, py::arg("data"), py::arg("indices"), py::arg("indptr"), py::arg("w"),
             py::arg("out"), "out = x @ w for a CSR matrix x.");
  module.def("spmm_transposed", &transposed_product, py::arg("data"), py::arg("indices"),
             py::arg("indptr"), py::arg("d"), py::arg("out"), "out = x.T @ d for a CSR matrix x.");
}

}  // namespace pyoptim::bindings
