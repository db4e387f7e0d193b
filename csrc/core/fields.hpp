// The fields of rules and losses. Kernels of every instruction set include this file.
#pragma once

#include "core/range.hpp"

namespace pyoptim {

/// A hyperparameter of a rule, or a parameter of a loss.
struct FieldInfo {
  const char* name;
  const char* doc;
  Range range;
  double initial;  ///< The default.
  bool in_double;  ///< Whether the value is never cast to the dtype of a parameter.
};

}  // namespace pyoptim
