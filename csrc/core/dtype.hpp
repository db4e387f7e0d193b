// The dtypes of parameters. Kernels of every instruction set include this file, so it has no inline
// functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/export.hpp"

namespace pyoptim {

enum class DType : std::uint8_t { float32, float64, bfloat16 };
inline constexpr std::size_t dtype_count = 3;

/// The bytes of one element.
PYOPTIM_API std::size_t item_size(DType dtype);

/// The dtype of optimizer states and of arithmetic: float32 for bfloat16 parameters.
PYOPTIM_API DType state_dtype(DType dtype);

}  // namespace pyoptim
