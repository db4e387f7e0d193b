#include "bindings/matrices.hpp"

namespace pyoptim::bindings {

Matrix matrix(const py::array& array, const std::string& name, bool only_read) {
  const DType dtype = dtype_of(array, name);
  if (dtype == DType::bfloat16) throw py::type_error(name + ": dtype must be float32 or float64");
  if (!only_read) check_updatable(array, name);
  if (!is_plain(array)) throw py::value_error(name + ": expected a C-contiguous, aligned array");
  const std::size_t columns = array.ndim() == 2 ? std::size_t(array.shape(1)) : 1;
  if (array.ndim() < 1 || array.ndim() > 2)
    throw py::value_error(name + ": expected 1 or 2 axes, got " + std::to_string(array.ndim()));
  return {const_cast<void*>(array.data()), std::size_t(array.shape(0)), columns, dtype};
}

Matrix alike(const py::array& array, const std::string& name, const py::array& like,
             bool only_read) {
  check_shape(array, like, name);
  const Matrix result = matrix(array, name, only_read);
  if (dtype_of(like, name) != result.dtype) throw py::type_error(name + ": wrong dtype");
  return result;
}

Matrix per_column(const py::array& array, const std::string& name, const Matrix& like) {
  const Matrix result = matrix(array, name);
  if (result.rows * result.columns != like.columns || result.dtype != like.dtype)
    throw py::value_error(name + ": expected " + std::to_string(like.columns) +
                          " values of the scores' dtype");
  return result;
}

CsrMatrix csr_matrix(const py::array& data, const py::array& indices, const py::array& indptr,
                     std::size_t columns) {
  const Matrix values = matrix(data, "data", true);
  const auto is_of = [](const py::array& array, std::initializer_list<int> bytes) {
    bool overlaps = false;
    for (const int size : bytes) overlaps |= array.itemsize() == size;
    return overlaps && array.ndim() == 1 && array.dtype().kind() == 'i' &&
           is_native(array.dtype()) && is_plain(array);
  };
  if (!is_of(indices, {4, 8}) || !is_of(indptr, {8}) || indptr.size() < 1 || data.ndim() != 1 ||
      indices.size() != data.size())
    throw py::value_error(
        "expected indices (int32 or int64) as many as data, and an indptr (int64)");
  return {values.data,
          indices.data(),
          static_cast<const std::int64_t*>(indptr.data()),
          std::size_t(indptr.size()) - 1,
          columns,
          values.rows,
          values.dtype,
          indices.itemsize() == 8};
}

StridedMatrix strided_matrix(const py::array& array, const std::string& name, DType dtype) {
  if (array.ndim() != 2)
    throw py::value_error(name + ": expected 2 axes, got " + std::to_string(array.ndim()));
  if (dtype_of(array, name) != dtype) throw py::type_error(name + ": expected the dtype of out");
  const py::ssize_t item = array.itemsize();
  for (py::ssize_t axis = 0; axis < 2; ++axis)
    if (array.strides(axis) % item != 0 ||
        (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0)
      throw py::value_error(name + ": expected an aligned array");
  return {array.data(), std::size_t(array.shape(0)), std::size_t(array.shape(1)),
          array.strides(0) / item, array.strides(1) / item};
}

}  // namespace pyoptim::bindings
