#include "bindings/arrays.hpp"

#include <bit>

#include "bindings/dlpack.hpp"

namespace pyoptim::bindings {
namespace {

constexpr int numpy_float32 = 11, numpy_float64 = 12;  // NPY_FLOAT, NPY_DOUBLE

std::string type_name(py::handle object) { return py::str(py::type::of(object).attr("__name__")); }

/// NumPy's number of ml_dtypes.bfloat16, which exists once something has registered it.
bool is_bfloat16(const py::dtype& dtype) {
  static int known = -1;
  if (dtype.num() == known) return true;
  if (known >= 0 || dtype.itemsize() != 2 || std::string(py::str(dtype)) != "bfloat16")
    return false;
  known = dtype.num();
  return true;
}

py::array read_only(py::array array) {
  array.attr("flags").attr("writeable") = false;
  return array;
}

/// A view by the buffer protocol, or nothing if the object does not offer it.
py::object memory_view(py::handle object) {
  if (PyObject_CheckBuffer(object.ptr()) == 0 || py::isinstance<py::bytes>(object)) return {};
  auto view = py::reinterpret_steal<py::object>(PyMemoryView_FromObject(object.ptr()));
  if (!view) PyErr_Clear();  // JAX has it for some types only
  return view;
}

/// An array over memory that is given back when the array is gone.
template <class Managed>
py::array take(py::capsule capsule, const char* used_name, const std::string& name, bool writable) {
  auto* const managed = capsule.get_pointer<Managed>();
  const dlpack::Tensor& tensor = managed->tensor;
  if (tensor.device.type != dlpack::cpu)
    throw py::type_error(name + ": expected memory of the CPU, got DLPack device type " +
                         std::to_string(tensor.device.type));
  const auto [code, bits, vector_lanes] = tensor.dtype;
  DType dtype{};
  if (code == dlpack::code_float && bits == 32 && vector_lanes == 1)
    dtype = DType::float32;
  else if (code == dlpack::code_float && bits == 64 && vector_lanes == 1)
    dtype = DType::float64;
  else if (code == dlpack::code_bfloat && bits == 16 && vector_lanes == 1)
    dtype = DType::bfloat16;
  else
    throw py::type_error(name + ": dtype must be float32, float64 or bfloat16, got DLPack code " +
                         std::to_string(code) + " of " + std::to_string(bits) + " bits");

  const py::dtype numpy = numpy_dtype(dtype);
  std::vector<py::ssize_t> shape(tensor.shape, tensor.shape + tensor.dimensions);
  std::vector<py::ssize_t> strides(shape.size());
  py::ssize_t row_major = numpy.itemsize();
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = tensor.strides != nullptr ? tensor.strides[i] * numpy.itemsize() : row_major;
    row_major *= shape[i];
  }
  void* const data = static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
  PyCapsule_SetName(capsule.ptr(), used_name);  // from here on the memory is ours to give back
  const py::capsule owner(managed, [](void* memory) {
    auto* const mine = static_cast<Managed*>(memory);
    if (mine->deleter != nullptr) mine->deleter(mine);
  });
  py::array array(numpy, shape, strides, data, owner);
  return writable ? array : read_only(array);
}

py::array from_dlpack(py::handle object, const std::string& name) {
  py::object source = py::reinterpret_borrow<py::object>(object);
  if (py::getattr(source, "requires_grad", py::bool_(false)).cast<bool>())
    source = source.attr("detach")();  // a torch parameter: its memory, outside of autograd
  // JAX takes its arrays for constant, but does not say so in DLPack.
  const bool constant =
      py::str(py::type::of(object).attr("__module__")).cast<std::string>().starts_with("jax");
  py::object capsule;
  try {
    capsule = source.attr("__dlpack__")(py::arg("max_version") = py::make_tuple(1, 0));
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
    capsule = source.attr("__dlpack__")();  // a producer from before version 1
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0) {
    auto owned = py::reinterpret_borrow<py::capsule>(capsule);
    const auto flags = owned.get_pointer<dlpack::ManagedVersioned>()->flags;
    return take<dlpack::ManagedVersioned>(std::move(owned), "used_dltensor_versioned", name,
                                          !constant && (flags & dlpack::read_only) == 0);
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor") != 0)
    return take<dlpack::Managed>(py::reinterpret_borrow<py::capsule>(capsule), "used_dltensor",
                                 name, !constant);
  throw py::type_error(name + ": __dlpack__ of " + type_name(object) + " gave no tensor");
}

}  // namespace

bool is_numpy_array(py::handle object) {
  return Py_TYPE(object.ptr()) == py::detail::npy_api::get().PyArray_Type_;
}

bool is_array(py::handle object) {
  return py::isinstance<py::array>(object) || py::hasattr(object, "__dlpack__") ||
         PyObject_CheckBuffer(object.ptr()) != 0;
}

py::array as_array(py::handle object, const std::string& name) {
  const py::module_ numpy = py::module_::import("numpy");
  if (py::isinstance<py::array>(object)) {
    if (py::isinstance(object, numpy.attr("ma").attr("MaskedArray")))
      throw py::type_error(name + ": expected an array without a mask, got a masked one");
    return py::reinterpret_borrow<py::array>(object);
  }
  py::array array;
  if (py::isinstance(object, numpy.attr("generic")))
    array = read_only(numpy.attr("asarray")(object));  // a NumPy number: it has no memory to share
  else if (const py::object view = memory_view(object); view)
    array = numpy.attr("asarray")(view);
  else if (py::hasattr(object, "__dlpack__"))
    array = from_dlpack(object, name);
  else
    throw py::type_error(name + ": expected an array (NumPy, buffer protocol or DLPack), got " +
                         type_name(object));
  return array;
}

DType dtype_of(const py::array& array, const std::string& name) {
  const py::dtype dtype = array.dtype();
  const int number = dtype.num();
  constexpr char own_order = std::endian::native == std::endian::little ? '<' : '>';
  const bool native = dtype.byteorder() == '=' || dtype.byteorder() == own_order;
  if (native && number == numpy_float32) return DType::float32;
  if (native && number == numpy_float64) return DType::float64;
  if (is_bfloat16(dtype)) return DType::bfloat16;
  throw py::type_error(name + ": dtype must be float32, float64 or bfloat16, got " +
                       std::string(py::str(dtype)));
}

bool is_plain(const py::array& array) {
  constexpr int wanted = int(py::array::c_style) | int(py::detail::npy_api::NPY_ARRAY_ALIGNED_);
  return (array.flags() & wanted) == wanted;
}

py::array plain_view(const py::array& array) {
  const py::object ndarray = py::module_::import("numpy").attr("ndarray");
  return ndarray.attr("view")(array, ndarray);
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
    throw py::type_error(name + ": expected dtype " + std::string(py::str(param.dtype())) +
                         " as the parameter's, got " + std::string(py::str(grad.dtype())));
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
