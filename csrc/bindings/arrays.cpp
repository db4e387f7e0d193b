#include "bindings/arrays.hpp"

#include <pybind11/gil_safe_call_once.h>

#include <bit>

#include "bindings/dlpack.hpp"

namespace pyoptim::bindings {
namespace {

constexpr int numpy_float32 = 11, numpy_float64 = 12;  // NPY_FLOAT, NPY_DOUBLE

/// Whether the type's number is that of ml_dtypes.bfloat16, in either byte order. Types registered
/// by other packages have other numbers.
bool is_bfloat16(const py::dtype& dtype) {
  constexpr int first_registered = 256;  // NPY_USERDEF
  if (dtype.itemsize() != 2 || dtype.num() < first_registered) return false;
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<int> number;
  number.call_once_and_store_result([] { return numpy_dtype(DType::bfloat16).num(); });
  return dtype.num() == number.get_stored();
}

/// A view by the buffer protocol, or an empty object if there is none.
py::object memory_view(py::handle object) {
  if (PyObject_CheckBuffer(object.ptr()) == 0 || py::isinstance<py::bytes>(object)) return {};
  auto view = py::reinterpret_steal<py::object>(PyMemoryView_FromObject(object.ptr()));
  if (!view) PyErr_Clear();  // JAX offers it for some dtypes only
  return view;
}

}  // namespace

std::string type_name(py::handle object) { return py::str(py::type::of(object).attr("__name__")); }

bool is_numpy_array(py::handle object) {
  return Py_TYPE(object.ptr()) == py::detail::npy_api::get().PyArray_Type_;
}

bool is_array(py::handle object) {
  return py::isinstance<py::array>(object) || py::hasattr(object, "__dlpack__") ||
         PyObject_CheckBuffer(object.ptr()) != 0;
}

bool is_native(const py::dtype& dtype) {
  constexpr char own_order = std::endian::native == std::endian::little ? '<' : '>';
  const char order = dtype.byteorder();
  return order == '=' || order == '|' || order == own_order;
}

std::string dtype_text(const py::dtype& dtype) {
  return py::str(py::module_::import("pyoptim._utils.text").attr("dtype_text")(dtype));
}

bool is_same_memory(const py::array& array, const py::array& contiguous) {
  if (array.data() != contiguous.data() || array.nbytes() != contiguous.nbytes() ||
      (array.flags() & py::array::c_style) == 0)
    return false;
  // Equal types are usually one object.
  const auto* const type = py::detail::array_proxy(array.ptr())->descr;
  return type == py::detail::array_proxy(contiguous.ptr())->descr ||
         array.dtype().equal(contiguous.dtype());
}

py::array read_only(py::array array) {
  array.attr("flags").attr("writeable") = false;
  return array;
}

py::array as_array(py::handle object, const std::string& name, bool in_place) {
  const py::module_ numpy = py::module_::import("numpy");
  if (py::isinstance<py::array>(object)) {
    if (py::isinstance(object, numpy.attr("ma").attr("MaskedArray")))
      throw py::type_error(name + ": expected an array without a mask, got a masked one");
    return py::reinterpret_borrow<py::array>(object);
  }
  py::array array;
  if (py::isinstance(object, numpy.attr("generic")))
    array =
        read_only(numpy.attr("asarray")(object));  // a NumPy scalar, which has no memory to share
  else if (const py::object view = memory_view(object); view)
    array = numpy.attr("asarray")(view);
  else if (py::hasattr(object, "__dlpack__"))
    array = from_dlpack(object, name, in_place);
  else
    throw py::type_error(name + ": expected an array (NumPy, buffer protocol or DLPack), got " +
                         type_name(object));
  return array;
}

DType dtype_of(const py::array& array, const std::string& name) {
  const py::dtype dtype = array.dtype();
  const int number = dtype.num();
  const bool bfloat16 = is_bfloat16(dtype), native = is_native(dtype);
  if (native && number == numpy_float32) return DType::float32;
  if (native && number == numpy_float64) return DType::float64;
  if (native && bfloat16) return DType::bfloat16;
  const bool swapped = bfloat16 || number == numpy_float32 || number == numpy_float64;
  throw py::type_error(name + ": dtype must be float32, float64 or bfloat16, got " +
                       dtype_text(dtype) + (!swapped ? "" : "; convert it to native byte order"));
}

bool is_plain(const py::array& array) {
  constexpr int wanted = int(py::array::c_style) | int(py::detail::npy_api::NPY_ARRAY_ALIGNED_);
  return (array.flags() & wanted) == wanted;
}

py::array plain_view(const py::array& array) {
  const py::object ndarray = py::module_::import("numpy").attr("ndarray");
  return ndarray.attr("view")(array, ndarray);
}

py::array bare_view(const py::array& array) {
  return {array.dtype(),
          {array.shape(), array.shape() + array.ndim()},
          {array.strides(), array.strides() + array.ndim()},
          array.data(),
          py::none()};
}

py::array plain_copy(const py::array& array) {
  const auto copy = py::module_::import("numpy").attr("array");
  return copy(array, py::arg("order") = "C", py::arg("copy") = true, py::arg("subok") = false);
}

std::string shape_text(const py::array& array) { return py::str(array.attr("shape")); }

void check_updatable(const py::array& array, const std::string& name) {
  if (!array.writeable())
    throw py::value_error(name +
                          ": expected a writable array to update in place, got a read-only "
                          "one");
  if ((array.flags() & py::array::c_style) == 0)
    throw py::value_error(name + ": expected a C-contiguous array to update in place, got shape " +
                          shape_text(array) + " with strides " +
                          std::string(py::str(array.attr("strides"))));
  if (!is_plain(array))
    throw py::value_error(name + ": expected memory aligned to " +
                          std::to_string(array.itemsize()) + " bytes, got an address that is not");
}

void check_shape(const py::array& array, const py::array& like, const std::string& name) {
  bool same = array.ndim() == like.ndim();
  for (py::ssize_t i = 0; same && i < array.ndim(); ++i) same = array.shape(i) == like.shape(i);
  if (!same)
    throw py::value_error(name + ": expected shape " + shape_text(like) + ", got " +
                          shape_text(array));
}

void check_dtype(const py::array& grad, const py::array& param, const std::string& name) {
  if (dtype_of(grad, name) != dtype_of(param, name))
    throw py::type_error(name + ": expected dtype " + dtype_text(param.dtype()) +
                         " as the parameter's, got " + dtype_text(grad.dtype()));
}

py::dtype numpy_dtype(DType dtype) {
  if (dtype == DType::float32) return py::dtype::of<float>();
  if (dtype == DType::float64) return py::dtype::of<double>();
  return py::dtype::from_args(py::module_::import("ml_dtypes").attr("bfloat16"));
}

py::dtype numpy_dtype(StoredType type) {
  switch (type) {
    case StoredType::float32:
      return numpy_dtype(DType::float32);
    case StoredType::float64:
      return numpy_dtype(DType::float64);
    case StoredType::bfloat16:
      return numpy_dtype(DType::bfloat16);
    case StoredType::uint8:
      return py::dtype::of<std::uint8_t>();
    case StoredType::uint16:
      return py::dtype::of<std::uint16_t>();
  }
  throw std::logic_error("unknown type");
}

}  // namespace pyoptim::bindings
