// Rules as the engine sees them: each is defined in the source of its own file.
#pragma once

#include "rules/rule_info.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <class R>
struct Described {
  static const RuleInfo info;
};

}  // namespace pyoptim::PYOPTIM_ISA
