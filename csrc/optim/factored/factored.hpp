// Steps of rules with factored states, and the shapes of these states.
#pragma once

#include <cstddef>
#include <vector>

#include "optim/plan.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim {

using Shape = std::vector<std::size_t>;

/// The matrices that a rule views an array as.
MatrixShape matrices_of(const RuleInfo& rule, const Shape& shape);

/// Whether a state exists. An array of one row has no row state if it has a column state.
bool keeps_state(const RuleInfo& rule, std::size_t state, const MatrixShape& matrices);
/// The number of elements of a state.
std::size_t state_size(const RuleInfo& rule, std::size_t state, const Tensor& tensor);
/// The shape of a state for an array of the given shape.
Shape state_shape(const RuleInfo& rule, std::size_t state, const Shape& shape);
const char* state_name(const RuleInfo& rule, std::size_t state, const MatrixShape& matrices);

}  // namespace pyoptim
