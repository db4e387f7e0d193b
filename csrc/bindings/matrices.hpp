// Arrays of float32 or float64 as matrices, for layers and losses.
#pragma once

#include <string>

#include "bindings/arrays.hpp"
#include "linalg/gemm.hpp"
#include "linalg/spmm.hpp"
#include "nn/layers.hpp"

namespace pyoptim::bindings {

/// The rows of an array of one or two axes; one axis is one column a row. It is writable unless
/// it is only to be read.
Matrix matrix(const py::array& array, const std::string& name, bool only_read = false);

/// An array of the same dtype and shape as `like`, writable unless it is only to be read.
Matrix alike(const py::array& array, const std::string& name, const py::array& like,
             bool only_read = false);

/// A writable vector with one value a column, of the dtype of `like`.
Matrix per_column(const py::array& array, const std::string& name, const Matrix& like);

/// A matrix with any strides, to be read.
StridedMatrix strided_matrix(const py::array& array, const std::string& name, DType dtype);

/// A matrix in compressed rows, with so many columns.
CsrMatrix csr_matrix(const py::array& data, const py::array& indices, const py::array& indptr,
                     std::size_t columns);

}  // namespace pyoptim::bindings
