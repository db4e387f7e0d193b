// Losses over whole matrices of scores: weights, threads, fixed blocks of rows, means whose sums
// are in a fixed order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dispatch.hpp"
#include "core/export.hpp"
#include "core/matrix.hpp"
#include "losses/kernel_table.hpp"

namespace pyoptim {

/// All losses.
PYOPTIM_API extern const PerIsa<LossTable> loss_table;

/// The loss of this name, or nullptr.
PYOPTIM_API const LossInfo* find_loss(std::string_view name);

/// std::invalid_argument unless there is one parameter for each field, within its range.
PYOPTIM_API void check_parameters(const LossInfo& loss, const std::vector<double>& parameters);

/// A loss, the scores it is of, and what to find. Derivatives are those of the mean.
struct LossCall {
  const LossInfo* loss;
  const double* parameters;
  Matrix scores;
  const void* targets = nullptr;         ///< One for each score, of the scores' type; or
  const std::int64_t* labels = nullptr;  ///< one class for each row.
  const double* weights = nullptr;       ///< One for each row, or nullptr: all are 1.
  void* slope = nullptr;                 ///< May be the scores' memory.
  void* curvature = nullptr;             ///< Only together with `slope`.
};

/// What is wrong with the first row that mean_loss() would refuse, or "", before there are scores:
/// of these only the shape and the type count. Messages count rows from `first` on.
PYOPTIM_API std::string find_problem(const LossCall& call, std::size_t first = 0);

/// The mean sum_i w_i l_i / sum_i w_i, over rows or, for losses of one score each, over all scores;
/// 0, as are the derivatives, where all weights are 0. Rows of weight 0 are not looked at.
/// std::invalid_argument if a weight or a target is out of range; nothing is written then.
PYOPTIM_API double mean_loss(const LossCall& call);

}  // namespace pyoptim
