#include "bindings/dlpack.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"

namespace pyoptim::bindings {
namespace {

/// Properties of an object that DLPack does not describe.
struct Source {
  py::object object;
  bool constant = false;  // read-only
  bool copied = false;
};

DType dtype_of(const dlpack::DataType& type, const std::string& name) {
  const auto is = [&](int code, int bits) {
    return type.code == code && type.bits == bits && type.lanes == 1;
  };
  if (is(dlpack::code_float, 32)) return DType::float32;
  if (is(dlpack::code_float, 64)) return DType::float64;
  if (is(dlpack::code_bfloat, 16)) return DType::bfloat16;
  throw py::type_error(name + ": dtype must be float32, float64 or bfloat16, got DLPack code " +
                       std::to_string(type.code) + " of " + std::to_string(type.bits) + " bits" +
                       (type.lanes == 1 ? "" : " and " + std::to_string(type.lanes) + " lanes"));
}

std::vector<py::ssize_t> shape_of(const dlpack::Tensor& tensor, const std::string& name) {
  constexpr int max_axes = 64;  // of NumPy
  if (tensor.dimensions < 0 || tensor.dimensions > max_axes ||
      (tensor.dimensions > 0 && tensor.shape == nullptr))
    throw py::value_error(name + ": expected a shape of at most 64 axes, got a DLPack tensor of " +
                          std::to_string(tensor.dimensions) +
                          (tensor.shape == nullptr ? " without one" : ""));
  std::vector<py::ssize_t> shape(tensor.shape, tensor.shape + tensor.dimensions);
  if (std::any_of(shape.begin(), shape.end(), [](py::ssize_t length) { return length < 0; }))
    throw py::value_error(name + ": expected axes of at least 0 elements, got " +
                          std::string(py::str(py::cast(shape))));
  return shape;
}

std::vector<py::ssize_t> strides_of(const dlpack::Tensor& tensor, py::ssize_t item) {
  std::vector<py::ssize_t> strides(std::size_t(tensor.dimensions));
  py::ssize_t row_major = item;
  for (std::size_t i = strides.size(); i-- > 0;) {
    strides[i] = tensor.strides != nullptr ? tensor.strides[i] * item : row_major;
    row_major *= tensor.shape[i];
  }
  return strides;
}

/// Throws ValueError if a tensor of PyTorch has less memory than its elements need. Its storage can
/// be freed or shrunk.
void check_storage(const py::object& torch, const dlpack::Tensor& tensor, py::ssize_t item,
                   const std::string& name) {
  auto elements = torch.attr("storage_offset")().cast<std::int64_t>() + 1;
  for (int i = 0; i < tensor.dimensions; ++i)
    elements += (tensor.shape[i] - 1) * (tensor.strides != nullptr ? tensor.strides[i] : 0);
  const auto storage_size = torch.attr("untyped_storage")().attr("nbytes")().cast<std::int64_t>();
  if (elements * item > storage_size)
    throw py::value_error(name + ": expected a tensor with memory of its own, got one that needs " +
                          std::to_string(elements * item) + " bytes of a storage of " +
                          std::to_string(storage_size));
}

bool is_of_torch(const py::object& object) { return py::hasattr(object, "untyped_storage"); }

/// An array over memory that is released with the array.
template <class Managed>
py::array take(py::capsule capsule, const char* used_name, const std::string& name,
               const Source& source) {
  auto* const managed = capsule.get_pointer<Managed>();
  const dlpack::Tensor& tensor = managed->tensor;
  if (tensor.device.type != dlpack::cpu)
    throw py::type_error(name + ": expected memory of the CPU, got DLPack device type " +
                         std::to_string(tensor.device.type));
  const py::dtype numpy = numpy_dtype(dtype_of(tensor.dtype, name));
  const std::vector<py::ssize_t> shape = shape_of(tensor, name);
  const std::vector<py::ssize_t> strides = strides_of(tensor, numpy.itemsize());
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (!empty && tensor.data == nullptr)
    throw py::value_error(name + ": expected a tensor with memory of its own, got one without");
  if (!empty && is_of_torch(source.object))
    check_storage(source.object, tensor, numpy.itemsize(), name);
  if (empty) return py::array(numpy, shape);

  void* const data = static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
  PyCapsule_SetName(capsule.ptr(), used_name);  // marks the memory as taken
  const py::capsule owner(managed, [](void* memory) {
    auto* const managed = static_cast<Managed*>(memory);
    if (managed->deleter != nullptr) managed->deleter(managed);
  });
  py::array array(numpy, shape, strides, data, owner);
  return source.constant || source.copied ? read_only(array) : array;
}

/// Calls __dlpack__. Throws TypeError for an object that it cannot export.
py::object capsule_of(const py::object& object, const std::string& name) {
  try {
    try {
      return object.attr("__dlpack__")(py::arg("max_version") =
                                           py::make_tuple(dlpack::known_major, 0));
    } catch (py::error_already_set& error) {
      if (!error.matches(PyExc_TypeError)) throw;
      return object.attr("__dlpack__")();  // a producer older than version 1
    }
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_BufferError) && !error.matches(PyExc_RuntimeError)) throw;
    py::raise_from(error, PyExc_TypeError,
                   (name + ": expected memory of the CPU, but __dlpack__ of " + type_name(object) +
                    " failed: " + std::string(py::str(error.value())))
                       .c_str());
    throw py::error_already_set();
  }
}

/// The properties of PyTorch's tensors and JAX's arrays.
Source source_of(py::handle object, const std::string& name, bool in_place) {
  Source source{py::reinterpret_borrow<py::object>(object)};
  // JAX treats its arrays as constant, but does not report it through DLPack.
  source.constant =
      py::str(py::type::of(object).attr("__module__")).cast<std::string>().starts_with("jax");
  // Without autograd. The result of detach() would also keep the tensor alive, invisibly to
  // Python's garbage collector.
  if (is_of_torch(source.object)) source.object = object.attr("data");
  if (is_of_torch(source.object) && source.object.attr("is_neg")().cast<bool>()) {
    // Its memory has the negative of each element.
    if (in_place)
      throw py::value_error(name +
                            ": expected memory with the tensor's values, got a view of their "
                            "negatives; pass tensor.resolve_neg()");
    source.object = source.object.attr("resolve_neg")();
    source.copied = true;
  }
  return source;
}

}  // namespace

py::array from_dlpack(py::handle object, const std::string& name, bool in_place) {
  Source source = source_of(object, name, in_place);
  const py::object capsule = capsule_of(source.object, name);
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0) {
    auto owned = py::reinterpret_borrow<py::capsule>(capsule);
    const auto* const managed = owned.get_pointer<dlpack::ManagedVersioned>();
    if (managed->major != dlpack::known_major)
      throw py::type_error(name + ": expected a tensor of DLPack " +
                           std::to_string(dlpack::known_major) + ", got one of version " +
                           std::to_string(managed->major) + "." + std::to_string(managed->minor));
    source.constant |= (managed->flags & dlpack::read_only) != 0;
    source.copied |= (managed->flags & dlpack::is_copied) != 0;
    if (source.copied && in_place)
      throw py::value_error(name + ": expected memory to update in place, got a copy, which " +
                            "__dlpack__ of " + type_name(object) + " made");
    return take<dlpack::ManagedVersioned>(std::move(owned), "used_dltensor_versioned", name,
                                          source);
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor") != 0)
    return take<dlpack::Managed>(py::reinterpret_borrow<py::capsule>(capsule), "used_dltensor",
                                 name, source);
  throw py::type_error(name + ": __dlpack__ of " + type_name(object) +
                       " gave no tensor that is still to be taken");
}

}  // namespace pyoptim::bindings
