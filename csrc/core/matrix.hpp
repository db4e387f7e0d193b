// A view of a dense matrix.
#pragma once

#include <cstddef>

#include "core/dtype.hpp"

namespace pyoptim {

/// A row-major matrix of float32 or float64.
struct Matrix {
  void* data;
  std::size_t rows;
  std::size_t columns;
  DType dtype;
};

}  // namespace pyoptim
