// The kernels of layers, compiled once for each instruction set. Plain data and function pointers
// only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyoptim {

enum class Activation : std::uint8_t { identity, relu, leaky_relu, tanh, sigmoid, gelu, silu };
inline constexpr std::size_t activation_count = 7;

/// Dropout sets each output of a layer to 0 with probability `rate` and divides the others by
/// 1 - rate. The choice depends on seed, draw, row and column only.
struct Dropout {
  double rate = 0;
  std::uint64_t seed = 0;
  std::uint64_t draw = 0;
};

/// Consecutive rows of a layer, starting with row `first_row` of the batch.
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

/// The kernels of layers, for row-major values.
struct LayerKernels {
  /// a <- dropout(activation(z + bias)) + skip. If a is not z, z <- the derivative of a by z.
  void (*forward[activation_count])(const LayerRows&);
  /// grad <- d * grad, or d if `grad` is nullptr. The column sums of the result are added to
  /// `sums`.
  void (*backward)(const void* d, void* grad, double* sums, std::size_t rows, std::size_t columns);
  /// Replaces rows of scores by rows of probabilities.
  void (*softmax)(void* scores, std::size_t rows, std::size_t columns);
};
using LayerTable = LayerKernels[2];  ///< For float32 and float64.

/// Normalization: z <- (z - mean) * factor with factor = 1 / sqrt(variance + eps), and scaled <-
/// weight * z, where `scaled` may be z. The backward kernels turn d, the gradient by `scaled`, into
/// the gradient by the inputs, and add the column sums of d * normal to `weight_sums`.
struct NormKernels {
  /// With the mean and variance of each row. The factors are written to `factors` unless it is
  /// nullptr.
  void (*rows)(void* z, const void* weight, void* scaled, double* factors, double eps,
               std::size_t rows, std::size_t columns);
  void (*rows_back)(void* d, const void* normal, const void* weight, const double* factors,
                    double* weight_sums, std::size_t rows, std::size_t columns);
  /// Adds the column sums of z, or of (z - mean)^2 if `mean` is not nullptr, to `sums`.
  void (*column_sums)(const void* z, const double* mean, double* sums, std::size_t rows,
                      std::size_t columns);
  /// With the given mean and factor of each column.
  void (*columns)(void* z, const double* mean, const double* factors, const void* weight,
                  void* scaled, std::size_t rows, std::size_t columns);
  /// Adds the column sums of d to `sums`, and those of d * normal to `weight_sums`.
  void (*column_grads)(const void* d, const void* normal, double* sums, double* weight_sums,
                       std::size_t rows, std::size_t columns);
  /// d <- (d - mean - normal * product) * factor, with a mean, product and factor for each column.
  void (*columns_back)(void* d, const void* normal, const double* mean, const double* product,
                       const double* factors, std::size_t rows, std::size_t columns);
};
using NormTable = NormKernels[2];  ///< For float32 and float64.

}  // namespace pyoptim
