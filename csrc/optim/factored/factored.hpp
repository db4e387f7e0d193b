// Steps of rules that keep states for the rows and columns of matrices, and what these are.
#pragma once

#include <cstddef>
#include <vector>

#include "optim/plan.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim {

using Shape = std::vector<std::size_t>;

/// The matrices that a rule sees an array as.
MatrixShape matrices_of(const RuleInfo& rule, const Shape& shape);

/// Whether anything is kept for a state: an array of one row has no numbers of rows, if it has
/// some of columns.
bool keeps_state(const RuleInfo& rule, std::size_t state, const MatrixShape& matrices);
/// How many numbers a state has.
std::size_t state_size(const RuleInfo& rule, std::size_t state, const Tensor& tensor);
/// The shape that a state is shown in, for an array of this one.
Shape state_shape(const RuleInfo& rule, std::size_t state, const Shape& shape);
const char* state_name(const RuleInfo& rule, std::size_t state, const MatrixShape& matrices);

}  // namespace pyoptim
