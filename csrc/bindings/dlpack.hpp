// The DLPack exchange structures (dmlc.github.io/dlpack), versions 0 and 1, and the exchange
// functions for C.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <string>

namespace pyoptim::bindings {

/// The memory that an object exports by __dlpack__, as an array. A copy is read-only, and an error
/// with `in_place`.
pybind11::array from_dlpack(pybind11::handle object, const std::string& name, bool in_place);

namespace dlpack {

struct Device {
  std::int32_t type;
  std::int32_t id;
};

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t dimensions;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; nullptr: row-major
  std::uint64_t byte_offset;
};

struct Managed {
  Tensor tensor;
  void* manager;
  void (*deleter)(Managed*);
};

struct ManagedVersioned {
  std::uint32_t major;
  std::uint32_t minor;
  void* manager;
  void (*deleter)(ManagedVersioned*);
  std::uint64_t flags;
  Tensor tensor;
};

/// The value of a type's __dlpack_c_exchange_api__, a capsule with the name below, since version
/// 1.3.
struct ExchangeApi {
  std::uint32_t major;
  std::uint32_t minor;
  ExchangeApi* previous;
  void* allocate;
  void* managed_from_object;
  void* managed_to_object;
  /// Describes the memory of an object. Returns nonzero with a Python error set. May be nullptr.
  int (*describe)(void* object, Tensor* out);
  void* current_stream;
};

inline constexpr const char* exchange_api = "dlpack_exchange_api";
inline constexpr int cpu = 1;
inline constexpr std::uint8_t code_float = 2, code_bfloat = 4;
inline constexpr std::uint32_t known_major = 1;
inline constexpr std::uint64_t read_only = 1, is_copied = 2;  // flags

}  // namespace dlpack
}  // namespace pyoptim::bindings
