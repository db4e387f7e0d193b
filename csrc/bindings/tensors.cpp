#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bindings/bindings.hpp"
#include "bindings/dlpack.hpp"

namespace pyoptim::bindings {
namespace {

/// Inspects tensors through the C functions of their type, without linking their libraries.
class Look {
 public:
  explicit Look(const py::capsule& api) {
    const auto* api_table = api.get_pointer<const dlpack::ExchangeApi>();
    while (api_table != nullptr && api_table->major != 1) api_table = api_table->previous;
    if (api_table == nullptr || api_table->describe == nullptr)
      throw py::value_error("expected an exchange API of DLPack 1 that describes tensors");
    describe_ = api_table->describe;
  }

  /// The description of an object; empty if it has no dense memory of its own.
  [[nodiscard]] std::optional<dlpack::Tensor> operator()(py::handle object) const {
    dlpack::Tensor tensor{};
    if (describe_(object.ptr(), &tensor) == 0) return tensor;
    PyErr_Clear();
    return std::nullopt;
  }

 private:
  int (*describe_)(void*, dlpack::Tensor*) = nullptr;
};

/// An interned method name, which is looked up by address.
py::str interned(const char* name) {
  return py::reinterpret_steal<py::str>(PyUnicode_InternFromString(name));
}

py::object call(py::handle object, const py::str& method) {
  auto result =
      py::reinterpret_steal<py::object>(PyObject_CallMethodNoArgs(object.ptr(), method.ptr()));
  if (!result) throw py::error_already_set();
  return result;
}

/// Gets the storage of tensors, which can be freed or shrunk.
class Storages {
 public:
  [[nodiscard]] bool is_resizable(py::handle tensor) const {
    return call(call(tensor, storage_), resizable_).ptr() != Py_False;
  }
  [[nodiscard]] std::size_t bytes(py::handle tensor) const {
    return call(call(tensor, storage_), bytes_).cast<std::size_t>();
  }
  [[nodiscard]] std::size_t offset(py::handle tensor) const {
    return call(tensor, offset_).cast<std::size_t>();
  }

 private:
  py::str storage_ = interned("untyped_storage");
  py::str bytes_ = interned("nbytes");
  py::str resizable_ = interned("resizable");
  py::str offset_ = interned("storage_offset");
};

std::uintptr_t address(const dlpack::Tensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.data) + tensor.byte_offset;
}

/// The address and strides of a tensor's elements.
class Layout {
 public:
  explicit Layout(const dlpack::Tensor& tensor)
      : address_(address(tensor)),
        device_(tensor.device),
        dtype_(tensor.dtype),
        shape_(tensor.shape, tensor.shape + tensor.dimensions),
        strides_(tensor.strides, tensor.strides + tensor.dimensions) {
    std::size_t last = 0;
    for (std::size_t i = 0; i < shape_.size(); ++i)
      last += std::size_t(shape_[i] - 1) * std::size_t(strides_[i]);
    item_ = dtype_.bits / 8U;
    extent_ = is_empty() ? 0 : last + 1;
  }

  /// Whether another tensor has the same dtype and order of elements.
  [[nodiscard]] bool same_order(const dlpack::Tensor& other) const {
    return other.device.type == device_.type && other.dtype.code == dtype_.code &&
           other.dtype.bits == dtype_.bits && other.dtype.lanes == dtype_.lanes &&
           std::equal(shape_.begin(), shape_.end(), other.shape, other.shape + other.dimensions) &&
           std::equal(strides_.begin(), strides_.end(), other.strides);
  }
  [[nodiscard]] bool same(const dlpack::Tensor& other) const {
    return address(other) == address_ && same_order(other);
  }
  [[nodiscard]] bool is_empty() const {
    return std::find(shape_.begin(), shape_.end(), 0) != shape_.end();
  }
  /// The bytes of storage that elements in this order need, starting at this element.
  [[nodiscard]] std::size_t bytes_from(std::size_t offset) const {
    return is_empty() ? 0 : (offset + extent_) * item_;
  }

 private:
  std::uintptr_t address_;
  dlpack::Device device_;
  dlpack::DataType dtype_;
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  std::size_t item_ = 0;
  std::size_t extent_ = 0;  // elements from the first to the last in memory
};

using Addresses = std::vector<std::optional<std::uintptr_t>>;

/// The memory layouts of PyTorch's parameters. The tensors are passed to each call and not stored,
/// because Python's garbage collector could not see them here.
class Layouts {
 public:
  Layouts(const py::list& tensors, py::type kind, const py::capsule& api)
      : look_(api), kind_(std::move(kind)) {
    for (const py::handle tensor : tensors) {
      const auto seen = look_(tensor);
      if (!seen) throw py::type_error("expected tensors with memory of their own");
      layouts_.emplace_back(*seen);
      const bool shrinks = !layouts_.back().is_empty() && storages_.is_resizable(tensor);
      needed_.push_back(shrinks ? layouts_.back().bytes_from(storages_.offset(tensor)) : 0);
    }
  }

  /// Whether address, layout and storage size are unchanged.
  [[nodiscard]] bool hold(const py::list& tensors) const {
    if (tensors.size() != layouts_.size()) return false;
    for (std::size_t i = 0; i < layouts_.size(); ++i) {
      const auto seen = look_(tensors[i]);
      if (!seen || !layouts_[i].same(*seen)) return false;
      if (needed_[i] > 0 && storages_.bytes(tensors[i]) < needed_[i]) return false;
    }
    return true;
  }

  /// The gradients, and their addresses if all of them have the layout of their parameters.
  [[nodiscard]] std::pair<py::list, std::optional<Addresses>> gradients(
      const py::list& tensors) const {
    if (tensors.size() != layouts_.size()) throw py::value_error("expected the same tensors");
    py::list grads(layouts_.size());
    Addresses addresses(layouts_.size());
    bool alike = true;
    for (std::size_t i = 0; i < layouts_.size(); ++i) {
      py::object grad = tensors[i].attr(grad_);
      if (alike && !grad.is_none()) {
        addresses[i] = readable(grad, layouts_[i]);
        alike = addresses[i].has_value();
      }
      grads[i] = std::move(grad);
    }
    if (!alike) return {std::move(grads), std::nullopt};
    return {std::move(grads), std::move(addresses)};
  }

 private:
  [[nodiscard]] std::optional<std::uintptr_t> readable(const py::object& grad,
                                                       const Layout& param) const {
    if (!py::type::handle_of(grad).is(kind_)) return std::nullopt;
    const auto seen = look_(grad);
    if (!seen || !param.same_order(*seen)) return std::nullopt;
    if (address(*seen) == 0 && !param.is_empty()) return std::nullopt;  // zeros without memory
    // A view with negated elements would look the same.
    if (call(grad, is_neg_).ptr() != Py_False) return std::nullopt;
    if (!param.is_empty() && storages_.bytes(grad) < param.bytes_from(storages_.offset(grad)))
      return std::nullopt;
    return address(*seen);
  }

  Look look_;
  Storages storages_;
  std::vector<Layout> layouts_;
  std::vector<std::size_t>
      needed_;  // the storage of each parameter in bytes; 0 if it cannot be resized
  py::object kind_;
  py::str grad_ = interned("grad"), is_neg_ = interned("is_neg");
};

bool same_items(const py::list& lists, const py::list& others) {
  if (lists.size() != others.size()) return false;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    PyObject *const a = lists[i].ptr(), *const b = others[i].ptr();
    if (PyList_Check(a) == 0 || PyList_Check(b) == 0 || PyList_GET_SIZE(a) != PyList_GET_SIZE(b))
      return false;
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(a); ++k)
      if (PyList_GET_ITEM(a, k) != PyList_GET_ITEM(b, k)) return false;
  }
  return true;
}

}  // namespace

void bind_tensors(py::module_& module) {
  module.def("same_items", &same_items, py::arg("lists"), py::arg("others"),
             "Returns whether lists of lists have the same objects, which are not touched.");
  py::class_<Layouts>(module, "Layouts", "The memory layouts of PyTorch's parameters.")
      .def(py::init<const py::list&, py::type, const py::capsule&>(), py::arg("tensors"),
           py::arg("kind"), py::arg("api"))
      .def("hold", &Layouts::hold, py::arg("tensors"))
      .def("gradients", &Layouts::gradients, py::arg("tensors"));
}

}  // namespace pyoptim::bindings
