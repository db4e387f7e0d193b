// The memory traffic of a step: its passes, and the arrays that each of them reads and writes.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

#include "rules/kernel_table.hpp"

namespace pyoptim {

/// The number of arrays that a pass reads and writes: parameters, gradients and states.
struct Traffic {
  std::size_t reads;
  std::size_t writes;
};

/// The passes of a step of a rule.
inline std::vector<Traffic> passes_of(const RuleInfo& rule) {
  if (rule.factored == nullptr) {
    const Traffic update{rule.reads[1], 1 + std::size_t(std::popcount(rule.changed_by_update))};
    if (rule.sum_count == 0) return {update};
    return {{rule.reads[0], std::size_t(std::popcount(rule.changed_by_measure))}, update};
  }
  std::size_t of_elements = 0;
  for (std::size_t k = 0; k < rule.state_count; ++k)
    of_elements += rule.factored->shape[k] == StateShape::element ? 1 : 0;
  std::vector<Traffic> passes;
  for (std::size_t pass = 0; pass < pass_count; ++pass)
    if (rule.factored->pass[pass][0][0] != nullptr)
      passes.push_back(
          {rule.reads[passes.size()], pass == std::size_t(Pass::update) ? 1 + of_elements : 0});
  return passes;
}

}  // namespace pyoptim
