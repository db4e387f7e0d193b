// Arrays of float32 or float64 as matrices, for layers and losses.
#pragma once

#include <string>

#include "bindings/arrays.hpp"
#include "linalg/gemm.hpp"
#include "linalg/spmm.hpp"
#include "nn/layers.hpp"

namespace pyoptim::bindings {

/// The matrix of an array with one or two axes; an array of one axis is one column. It must be
/// writable unless `only_read`.
Matrix matrix(const py::array& array, const std::string& name, bool only_read = false);

/// An array of the same dtype and shape as `like`. It must be writable unless `only_read`.
Matrix alike(const py::array& array, const std::string& name, const py::array& like,
             bool only_read = false);

/// A writable vector with one value for each column, of the dtype of `like`.
Matrix per_column(const py::array& array, const std::string& name, const Matrix& like);

/// A matrix with any strides, for reading.
StridedMatrix strided_matrix(const py::array& array, const std::string& name, DType dtype);

/// A CSR matrix with so many columns.
CsrMatrix csr_matrix(const py::array& data, const py::array& indices, const py::array& indptr,
                     std::size_t columns);

}  // namespace pyoptim::bindings
