#include <pybind11/stl.h>

#include <memory>
#include <vector>

#include "bindings/arrays.hpp"
#include "core/arena.hpp"

namespace pyoptim::bindings {
namespace {

/// Zeroed byte arrays in one allocation, with addresses for loops that use them together.
std::vector<py::array> allocate(const std::vector<std::size_t>& sizes) {
  Layout layout;
  std::vector<std::size_t> offsets;
  for (const std::size_t size : sizes) offsets.push_back(layout.place(size));
  auto owner = std::make_unique<std::shared_ptr<Arena>>(std::make_shared<Arena>(layout.size()));
  std::byte* const data = (*owner)->data();
  const py::capsule base(owner.release(),
                         [](void* arena) { delete static_cast<std::shared_ptr<Arena>*>(arena); });
  std::vector<py::array> arrays;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    arrays.emplace_back(py::dtype::of<std::uint8_t>(), std::vector<std::size_t>{sizes[i]},
                        data + offsets[i], base);
  return arrays;
}

}  // namespace

void bind_memory(py::module_& module) {
  module.def("is_array", &is_array, py::arg("object"),
             "Returns whether the object can be a parameter or a gradient.");
  module.def("bare_view", &bare_view, py::arg("array"),
             "Returns a NumPy array over the same memory, which does not keep the memory alive.");
  module.def("allocate", &allocate, py::arg("sizes"),
             "Returns zeroed arrays with the given sizes in bytes, in one allocation.");
}

}  // namespace pyoptim::bindings
