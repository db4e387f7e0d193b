// The types that cross the border between code compiled for one instruction set and the rest of
// the library. Plain data and function pointers only: nothing here is inline code that two
// differently compiled files could both emit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rules/rule_info.hpp"

namespace pyoptim {

/// What an update is compared with: the gradient times `sign`, and parameters times `keep`, which
/// weight decay leaves of them; `factor` is for the elements that go against the gradient.
struct Direction {
  double sign = 1;
  double keep = 1;
  double factor = 1;
};

/// What is done to a block around its update. Codes, values and scales start at the block's first
/// element, whose number in its tensor is `first`; `key` is for stochastic rounding.
struct StorageKernels {
  void (*decode[state_format_count])(const void* codes, const float* scales, float* values,
                                     std::size_t size);
  /// By format; then to nearest, and stochastically.
  void (*encode[state_format_count][2])(const float* values, void* codes, float* scales,
                                        std::size_t size, std::size_t first, std::uint32_t key);
  void (*join)(const void* high, const void* low, float* values, std::size_t size);
  void (*split)(const float* values, void* high, void* low, std::size_t size);
  /// Values of which bfloat16 ones are no longer the rounded ones become these.
  void (*refresh)(const void* rounded, float* values, std::size_t size);
  void (*average[dtype_count])(const void* param, void* mean, double decay, std::size_t size);
  /// Changes an update after it was made, for float32 and float64: `before` are the parameters as
  /// they were.
  void (*cautious[2])(void* param, const void* before, const void* grad, const Direction&,
                      std::size_t size);
  void (*grams[2])(void* param, const void* before, const void* grad, const Direction&,
                   std::size_t size);
  /// How many elements of an update go against their gradient.
  double (*agreeing[2])(const void* param, const void* before, const void* grad, const Direction&,
                        std::size_t size);
};

enum class Activation : std::uint8_t { identity, relu, leaky_relu, tanh, sigmoid, gelu, silu };
inline constexpr std::size_t activation_count = 7;

/// Which outputs of a layer are set to 0, each with probability `rate`; what is left is divided by
/// 1 - rate. Depends on seed, draw, row and column alone.
struct Dropout {
  double rate = 0;
  std::uint64_t seed = 0;
  std::uint64_t draw = 0;
};

/// Rows of a layer, `columns` consecutive values each, the first of them being row `first_row`.
struct LayerRows {
  void* z;
  const void* bias;
  const void* skip;  ///< Added to the outputs, or nullptr.
  void* a;           ///< The outputs; may be z.
  Dropout dropout;
  std::size_t first_row;
  std::size_t rows;
  std::size_t columns;
};

/// The layers of a network, over float32 or float64 values, `columns` consecutive ones a row.
struct LayerKernels {
  /// a <- dropout(activation(z + bias)) + skip and, where a is not z, z <- the slope of a by z.
  void (*forward[activation_count])(const LayerRows&);
  /// slope <- d * slope, unless it is nullptr, then it is d; sums <- sums + the columns' sums of
  /// that.
  void (*backward)(const void* d, void* slope, double* sums, std::size_t rows, std::size_t columns);
  /// Rows of scores become rows of probabilities.
  void (*softmax)(void* scores, std::size_t rows, std::size_t columns);
};

/// A part of a product of matrices: c <- a b, or c + a b if it adds. Rows of a and c, and what
/// follows each other in a sum, are so many elements apart; b's and c's columns follow each other.
struct ProductPart {
  const void* a;
  std::ptrdiff_t a_row;
  std::ptrdiff_t a_step;
  const void* b;
  std::ptrdiff_t b_step;
  void* c;
  std::ptrdiff_t c_row;
  std::size_t rows;
  std::size_t columns;
  std::size_t depth;  ///< Terms of each sum, at most product_depth.
  bool adds;
};
inline constexpr std::size_t product_depth = 256;

/// Products of matrices of one type.
struct ProductKernels {
  std::size_t rows;     ///< Of a tile: parts are best multiples of it.
  std::size_t columns;  ///< The same.
  void (*multiply)(const ProductPart&);
};

/// What products with a sparse matrix are made of, for one type of values.
struct SparseKernels {
  /// sums[j] <- the sum over k of factors[k] table[rows[k]][j], in double and in the order of k; of
  /// one column, in 16 lanes. By the type of row numbers: int32, int64.
  void (*weighted_sum[2])(const void* table, const void* rows, const void* factors,
                          std::size_t count, void* sums, std::size_t columns);
};

/// Normalisation: z <- (z - mean) * factor, where factor is 1 / sqrt(variance + eps), and scaled <-
/// gain * z, which may be z. Backwards: d, the slope by `scaled`, becomes that by what was
/// normalised; gain_sums <- gain_sums + the columns' sums of d * normal.
struct NormKernels {
  /// With mean and variance of each row; factors go to `factors` unless it is nullptr.
  void (*rows)(void* z, const void* gain, void* scaled, double* factors, double eps,
               std::size_t rows, std::size_t columns);
  void (*rows_back)(void* d, const void* normal, const void* gain, const double* factors,
                    double* gain_sums, std::size_t rows, std::size_t columns);
  /// sums <- sums + the columns' sums of z, or of (z - mean)^2 if there is a mean.
  void (*column_sums)(const void* z, const double* mean, double* sums, std::size_t rows,
                      std::size_t columns);
  /// With these means and factors, one a column.
  void (*columns)(void* z, const double* mean, const double* factors, const void* gain,
                  void* scaled, std::size_t rows, std::size_t columns);
  /// sums <- sums + the columns' sums of d; and those for the gain.
  void (*column_slopes)(const void* d, const void* normal, double* sums, double* gain_sums,
                        std::size_t rows, std::size_t columns);
  /// d <- (d - mean - normal * product) * factor, all of them one a column.
  void (*columns_back)(void* d, const void* normal, const double* mean, const double* product,
                       const double* factors, std::size_t rows, std::size_t columns);
};

/// What was looked up in tables for consecutive rows of a batch: row i has the entries from
/// offsets[i] to offsets[i + 1], or `each` of them if `offsets` is nullptr, the first row's first
/// at 0. An entry is the number of a table's row, and a value.
struct Entries {
  const std::int64_t* offsets;
  const std::int64_t* ids;
  const void* values;  ///< Of the tables' type; nullptr: all 1.
  std::size_t each;
  std::size_t rows;
};

/// The penalty of rows in use: l2/2 times their squares, which `share` weighs, or `weights` times
/// share. Gradients have its slope in them.
struct RowPenalty {
  double l2;
  double share;
  const double* weights;  ///< One for each row of the batch; nullptr: all 1.
};

/// A factorized matrix: what a (first, second) pair of its rows and columns has. Tables are of
/// float32 or float64, biases have one column, factors `rank` ones.
struct PairTables {
  const void* factors[2];
  const void* bias[2];
  const void* seen[2];  ///< Not 0 where factors count; nullptr: everywhere.
  double mean;
  std::size_t rank;
};

/// Where the gradients of tables by rows go: those of an entry's factors and bias.
struct RowValues {
  void* factors[2];
  void* bias[2];
};

/// A factorization machine: a number and `rank` factors for each feature.
struct FeatureTables {
  const void* weights;
  const void* factors;
  double bias;
  std::size_t rank;
};

/// Columns of a dense layer's inputs that are sums, or means, of rows of a table: `columns` ones,
/// from one row of inputs to the next `stride`.
struct BagShape {
  std::size_t columns;
  std::size_t stride;
  bool mean;
};

/// Models of tables, for float32 or float64. Gradients by rows are written for each entry; what is
/// returned is the sum of the penalty.
struct FactorKernels {
  void (*pair_scores)(const PairTables&, const std::int64_t* pairs, void* scores, std::size_t rows);
  double (*pair_slopes)(const PairTables&, const std::int64_t* pairs, const void* slope,
                        const RowPenalty&, const RowValues&, std::size_t rows);
  /// `sums`: the sum of each row's factors, times values.
  void (*feature_scores)(const FeatureTables&, const Entries&, void* sums, void* scores);
  double (*feature_slopes)(const FeatureTables&, const Entries&, const void* sums,
                           const void* slope, const RowPenalty&, const RowValues&);
  void (*bag_inputs)(const void* table, const Entries&, const BagShape&, void* inputs);
  double (*bag_slopes)(const void* table, const Entries&, const BagShape&, const void* slope,
                       const RowPenalty&, void* values);
  /// The sum of some slopes, in 16 lanes of double.
  double (*sum)(const void* slope, std::size_t size);
};

/// What the scores of a model tell that was trained with a loss.
enum class Link : std::uint8_t {
  identity,     ///< the predicted value
  exponential,  ///< the logarithm of the predicted value
  sign,         ///< class 1 where they are above 0, else class 0
  logistic,     ///< the same, and the log-odds of class 1
  softmax,      ///< the logarithms of the classes' probabilities, up to a constant
};

/// Rows of scores with their targets. Derivatives by the scores, times scale and weight, go to
/// `slope`, which may be `scores` itself, and `curvature`, both or the first or none of them.
struct LossBatch {
  const void* scores;
  const void* targets;  ///< One for each score, or nullptr: then `labels` is used.
  const std::int64_t* labels;
  const double* weights;  ///< One for each score, or for each row if `of_rows`; nullptr: all 1.
  void* slope;
  void* curvature;
  double scale;
  std::size_t rows;
  std::size_t columns;
};

struct LossInfo {
  const char* name;
  const char* doc;
  const FieldInfo* fields;
  std::size_t field_count;
  Range targets;  ///< What targets may be that are values.
  Link link;
  bool of_rows;  ///< A loss has a row of scores, whose targets may be a class; else it has a score.
  /// The weighted sum of the losses, for float32 and float64. What weighs 0 adds nothing.
  double (*evaluate[2])(const double* parameters, const LossBatch&);
};

struct LossTable {
  const LossInfo* item;
  std::size_t size;
};

/// Consecutive elements of what a wrapper works on. `param`, `grad` and `copy` are of the
/// parameter's type, `wide` is of the type arithmetic is done in; what is not used is nullptr.
struct VectorPart {
  void* param;
  const void* grad;
  void* wide;
  void* copy;
  std::size_t size;
};

/// What is done to every element of a part; what the numbers mean is the operation's own.
using VectorUpdate = void (*)(const VectorPart&, double a, double b);

/// The operations of wrappers, for one type of parameters.
struct VectorKernels {
  VectorUpdate weigh;            ///< wide <- a grad
  VectorUpdate add_weighed;      ///< wide <- wide + a grad
  VectorUpdate take;             ///< wide <- param
  VectorUpdate give;             ///< param <- wide
  VectorUpdate lerp;             ///< wide <- wide + a (param - wide)
  VectorUpdate pull;             ///< the same, then param <- wide
  VectorUpdate narrow;           ///< copy <- a wide
  VectorUpdate scale;            ///< copy <- a grad
  VectorUpdate ascend;           ///< copy <- param, param <- param + a grad
  VectorUpdate ascend_adaptive;  ///< the same with a (|param| + b)^2 in place of a
  VectorUpdate shrink;           ///< param <- sign(param) max(|param| - a, 0) b
  VectorUpdate keep_orthant;     ///< param <- 0 unless it has the sign of copy
  /// Sum of a |param| + b/2 param^2, its smallest subgradient being added to `sum`, which is of the
  /// parameter's type. The sign that param has, or will get, goes to copy.
  double (*penalize)(const VectorPart&, void* sum, double a, double b);
  /// Sum of squares of (|param| + eta) grad, in 16 lanes of double.
  double (*adaptive_square_sum)(const void* param, const void* grad, double eta, std::size_t size);
  /// sums[j] <- sums[j] + the squares in column j.
  void (*column_square_sums)(const void* values, double* sums, std::size_t rows,
                             std::size_t columns);
  /// copy[i][j] <- factors[j] grad[i][j]
  void (*scale_columns)(const void* grad, void* copy, const double* factors, std::size_t rows,
                        std::size_t columns);
};

/// Everything compiled for one instruction set.
struct Backend {
  const char* name;
  const RuleInfo* const* rules;
  std::size_t rule_count;
  /// Sum of squares of a block, in 16 lanes of double.
  double (*square_sum[dtype_count])(const void* values, std::size_t size);
  double (*largest[dtype_count])(const void* values, std::size_t size);
  const LayerKernels* layers;    ///< for float32, float64
  const FactorKernels* factors;  ///< the same
  const NormKernels* norms;      ///< for float32, float64
  const LossTable* losses;
  const ProductKernels* products;  ///< for float32, float64
  const SparseKernels* sparse;     ///< for float32, float64
  const StorageKernels* storage;
  const VectorKernels* vectors;  ///< by dtype
};

}  // namespace pyoptim
