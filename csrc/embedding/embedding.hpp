// Models with embedding tables over whole batches, with checked row numbers and threads. Sums are
// over fixed blocks of rows and in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/dtype.hpp"
#include "core/export.hpp"
#include "embedding/kernel_table.hpp"

namespace pyoptim {

/// Throws std::invalid_argument unless all numbers are from 0 to `count` - 1. The message starts
/// with `what`. Numbers are `stride` apart, and each row of the batch has `each` of them.
PYOPTIM_API void check_numbers(const std::int64_t* numbers, std::size_t size, std::size_t stride,
                               std::size_t each, std::size_t count, const std::string& what);

/// The factor that makes a weighted sum a mean: 1 over the sum of weights, or over the number of
/// rows without weights; 0 if all weights are 0.
PYOPTIM_API double mean_scale(const double* weights, std::size_t rows);

/// The kernels of EmbeddingKernels over a whole batch, on several threads if it is large.
PYOPTIM_API void pair_scores(DType dtype, const PairTables& tables, const std::int64_t* pairs,
                             void* scores, std::size_t rows);
PYOPTIM_API double pair_grads(DType dtype, const PairTables& tables, const std::int64_t* pairs,
                              const void* grad, const RowPenalty& penalty, const RowValues& to,
                              std::size_t rows);
PYOPTIM_API void feature_scores(DType dtype, const FeatureTables& tables, const Entries& entries,
                                void* sums, void* scores);
PYOPTIM_API double feature_grads(DType dtype, const FeatureTables& tables, const Entries& entries,
                                 const void* sums, const void* grad, const RowPenalty& penalty,
                                 const RowValues& to);
PYOPTIM_API void bag_inputs(DType dtype, const void* table, const Entries& entries,
                            const BagShape& shape, void* inputs);
PYOPTIM_API double bag_grads(DType dtype, const void* table, const Entries& entries,
                             const BagShape& shape, const void* grad, const RowPenalty& penalty,
                             void* values);
PYOPTIM_API double sum_of_grads(DType dtype, const void* grad, std::size_t size);

}  // namespace pyoptim
