// The kernels of embedding tables, compiled once for each instruction set. Plain data and function
// pointers only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyoptim {

/// The lookups of consecutive rows of a batch. An entry is the number of a table's row and a
/// value. Row i has the entries offsets[i] to offsets[i + 1], or `each` entries if `offsets` is
/// nullptr; the first entry of the first row has the number 0.
struct Entries {
  const std::int64_t* offsets;
  const std::int64_t* ids;
  const void* values;  ///< Of the table's dtype; nullptr if all are 1.
  std::size_t each;
  std::size_t rows;
};

/// The penalty of table rows that a batch uses: l2/2 times their squares, times `scale` and the
/// weight of the batch row. Its gradient is part of the gradients of the kernels.
struct RowPenalty {
  double l2;
  double scale;
  const double* weights;  ///< One for each row of the batch; nullptr if all are 1.
};

/// A factorized matrix, of float32 or float64. The arrays come in pairs: for the rows and for the
/// columns of the matrix. A bias table has one column, an embedding table has `rank`.
struct PairTables {
  const void* embeddings[2];
  const void* bias[2];
  const void* seen[2];  ///< Nonzero where an embedding is used; nullptr if all are.
  double mean;
  std::size_t rank;
};

/// The outputs for gradients of entries: of their embeddings and biases.
struct RowValues {
  void* embeddings[2];
  void* bias[2];
};

/// A factorization machine: a weight and an embedding of `rank` numbers for each feature.
struct FeatureTables {
  const void* weights;
  const void* embeddings;
  double bias;
  std::size_t rank;
};

/// Where the sums or means of embeddings (embedding bags) are among the columns of a dense layer's
/// inputs: `columns` values, `stride` elements from one row to the next.
struct BagShape {
  std::size_t columns;
  std::size_t stride;
  bool mean;
};

/// The kernels of models with embedding tables. Gradients are written for each entry. Kernels that
/// return a number return the sum of the penalty.
struct EmbeddingKernels {
  void (*pair_scores)(const PairTables&, const std::int64_t* pairs, void* scores, std::size_t rows);
  double (*pair_grads)(const PairTables&, const std::int64_t* pairs, const void* grad,
                       const RowPenalty&, const RowValues&, std::size_t rows);
  /// `sums` are the sums of each row's embeddings times values.
  void (*feature_scores)(const FeatureTables&, const Entries&, void* sums, void* scores);
  double (*feature_grads)(const FeatureTables&, const Entries&, const void* sums, const void* grad,
                          const RowPenalty&, const RowValues&);
  void (*bag_inputs)(const void* table, const Entries&, const BagShape&, void* inputs);
  double (*bag_grads)(const void* table, const Entries&, const BagShape&, const void* grad,
                      const RowPenalty&, void* values);
  /// The sum of an array, in 16 lanes of double.
  double (*sum)(const void* grad, std::size_t size);
};
using EmbeddingTable = EmbeddingKernels[2];  ///< For float32 and float64.

}  // namespace pyoptim
