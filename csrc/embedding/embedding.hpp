// Models of tables over whole batches: checked numbers of rows, threads, fixed blocks of rows, sums
// in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/dtype.hpp"
#include "core/export.hpp"
#include "embedding/kernel_table.hpp"

namespace pyoptim {

/// std::invalid_argument unless all numbers are those of `count` rows: "`what` from 0 to ...". The
/// numbers lie `stride` apart, as many a row of the batch as `each`.
PYOPTIM_API void check_numbers(const std::int64_t* numbers, std::size_t size, std::size_t stride,
                               std::size_t each, std::size_t count, const std::string& what);

/// The share that makes weights a mean: 1 over their sum, or over the number of rows without any;
/// 0 if they are all 0.
PYOPTIM_API double share_of_rows(const double* weights, std::size_t rows);

/// The passes of EmbeddingKernels, on several threads where there is enough to do.
PYOPTIM_API void pair_scores(DType dtype, const PairTables& tables, const std::int64_t* pairs,
                             void* scores, std::size_t rows);
PYOPTIM_API double pair_slopes(DType dtype, const PairTables& tables, const std::int64_t* pairs,
                               const void* slope, const RowPenalty& penalty, const RowValues& to,
                               std::size_t rows);
PYOPTIM_API void feature_scores(DType dtype, const FeatureTables& tables, const Entries& entries,
                                void* sums, void* scores);
PYOPTIM_API double feature_slopes(DType dtype, const FeatureTables& tables, const Entries& entries,
                                  const void* sums, const void* slope, const RowPenalty& penalty,
                                  const RowValues& to);
PYOPTIM_API void bag_inputs(DType dtype, const void* table, const Entries& entries,
                            const BagShape& shape, void* inputs);
PYOPTIM_API double bag_slopes(DType dtype, const void* table, const Entries& entries,
                              const BagShape& shape, const void* slope, const RowPenalty& penalty,
                              void* values);
PYOPTIM_API double sum_of_slopes(DType dtype, const void* slope, std::size_t size);

}  // namespace pyoptim
