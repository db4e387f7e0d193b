// Mean losses of whole matrices of scores, with weights and threads. Sums are over fixed blocks of
// rows and in a fixed order.
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

/// Throws std::invalid_argument unless there is one parameter for each field, within its range.
PYOPTIM_API void check_parameters(const LossInfo& loss, const std::vector<double>& parameters);

/// The arguments of mean_loss(). The derivatives are derivatives of the mean.
struct LossCall {
  const LossInfo* loss;
  const double* parameters;
  Matrix scores;
  const void* targets = nullptr;         ///< One for each score, in the dtype of the scores.
  const std::int64_t* labels = nullptr;  ///< One class for each row, instead of `targets`.
  const double* weights = nullptr;       ///< One for each row; nullptr if all are 1.
  void* grad = nullptr;     ///< The gradient by the scores; may be the memory of `scores`.
  void* hessian = nullptr;  ///< The diagonal of the Hessian; needs `grad`.
};

/// The error of the first row that mean_loss() would reject, or "". Scores need only a shape and a
/// dtype. Messages number rows from `first`.
PYOPTIM_API std::string find_problem(const LossCall& call, std::size_t first = 0);

/// The weighted mean loss sum_i w_i l_i / sum_i w_i. It is over rows or, for losses of single
/// scores, over all scores. The mean and its derivatives are 0 if all weights are 0. Rows of weight
/// 0 are not checked. Throws std::invalid_argument if a weight or target is out of range, and
/// writes nothing then.
PYOPTIM_API double mean_loss(const LossCall& call);

}  // namespace pyoptim
