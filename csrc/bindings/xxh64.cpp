#include "core/xxh64.hpp"

#include "bindings/bindings.hpp"

namespace pyoptim::bindings {
namespace {

/// The bytes of an object with the buffer protocol, for the lifetime of this view.
class Bytes {
 public:
  explicit Bytes(const py::object& object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw py::error_already_set();
  }
  ~Bytes() { PyBuffer_Release(&view_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  [[nodiscard]] const void* data() const { return view_.buf; }
  [[nodiscard]] std::size_t size() const { return std::size_t(view_.len); }

 private:
  Py_buffer view_{};
};

std::uint64_t checksum(const py::object& data) {
  const Bytes bytes(data);
  const py::gil_scoped_release released;
  return xxh64(bytes.data(), bytes.size());
}

}  // namespace

void bind_xxh64(py::module_& module) {
  module.def("xxh64", &checksum, py::arg("data"),
             "Returns the XXH64 checksum of contiguous bytes. Releases the GIL.");
}

}  // namespace pyoptim::bindings
