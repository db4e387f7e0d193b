// The kernels of fused options, compiled once for each instruction set. Plain data and function
// pointers only.
#pragma once

#include <cstddef>

#include "core/dtype.hpp"

namespace pyoptim {

/// The terms that a modifier compares an update with: the gradient times `sign`, and the parameters
/// times `keep`, which is what weight decay leaves of them. `factor` scales the elements whose
/// update goes against the gradient.
struct Direction {
  double sign = 1;
  double keep = 1;
  double factor = 1;
};

/// The kernels that run on a block after its update. Modifiers are for float32 and float64;
/// `before` are the parameters before the update.
struct FusedKernels {
  /// mean <- decay mean + (1 - decay) param, where `mean` has the dtype of arithmetic.
  void (*average[dtype_count])(const void* param, void* mean, double decay, std::size_t size);
  void (*cautious[2])(void* param, const void* before, const void* grad, const Direction&,
                      std::size_t size);
  void (*grams[2])(void* param, const void* before, const void* grad, const Direction&,
                   std::size_t size);
  /// The number of elements whose update goes against the gradient.
  double (*agreeing[2])(const void* param, const void* before, const void* grad, const Direction&,
                        std::size_t size);
};

}  // namespace pyoptim
