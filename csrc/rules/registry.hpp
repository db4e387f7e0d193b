// The list of all rules.
#pragma once

#include <vector>

#include "core/dispatch.hpp"
#include "core/export.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim {

/// All variants of all rules for an instruction set that is available. The variants of one name
/// follow each other, and every instruction set has the same list.
PYOPTIM_API const std::vector<const RuleInfo*>& all_rules(Isa isa);

}  // namespace pyoptim
