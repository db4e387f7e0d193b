// XXH64: a fast checksum of 64 bits, not a defence against forgery.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/export.hpp"

namespace pyoptim {

/// The XXH64 checksum, with seed 0, of `size` bytes.
///
/// It is what `xxh64sum` prints. From Yann Collet, "xxHash fast digest algorithm", its
/// specification.
PYOPTIM_API std::uint64_t xxh64(const void* data, std::size_t size);

}  // namespace pyoptim
