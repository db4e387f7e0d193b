// Losses for code that is compiled once. Plain data and function pointers only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/fields.hpp"

namespace pyoptim {

/// The meaning of the scores of a model that was trained with a loss.
enum class Link : std::uint8_t {
  identity,     ///< the predicted value
  exponential,  ///< the logarithm of the predicted value
  sign,         ///< class 1 if the score is above 0, else class 0
  logistic,     ///< the same, and the score is the log-odds of class 1
  softmax,      ///< the logarithms of the class probabilities, up to a constant
};

/// Rows of scores with their targets. The gradient by the scores and the diagonal of the Hessian,
/// times scale and weight, are written to `grad`, which may be `scores` itself, and to `hessian`.
/// `hessian`, or both, may be nullptr.
struct LossBatch {
  const void* scores;
  const void* targets;  ///< One for each score; nullptr: `labels` is used.
  const std::int64_t* labels;
  const double* weights;  ///< One for each score, or for each row if `of_rows`; nullptr: all 1.
  void* grad;
  void* hessian;
  double scale;
  std::size_t rows;
  std::size_t columns;
};

struct LossInfo {
  const char* name;
  const char* doc;
  const FieldInfo* fields;
  std::size_t field_count;
  Range targets;  ///< The allowed targets, unless they are class labels.
  Link link;
  bool of_rows;  ///< Whether the loss takes a row of scores, whose target may be a class label.
  /// The weighted sum of the losses, for float32 and float64. Weight 0 adds nothing.
  double (*evaluate[2])(const double* parameters, const LossBatch&);
};

struct LossTable {
  const LossInfo* item;
  std::size_t size;
};

}  // namespace pyoptim
