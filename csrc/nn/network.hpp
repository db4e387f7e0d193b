// A network of dense layers: its scores, and the loss and gradient of a batch in one call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <variant>
#include <vector>

#include "core/scratch_buffer.hpp"
#include "linalg/gemm.hpp"
#include "linalg/spmm.hpp"
#include "losses/mean_loss.hpp"
#include "nn/layers.hpp"

namespace pyoptim {

/// The values of a layer that are normalized together.
enum class Norm : std::uint8_t { none, layer, batch };

/// The weight of a batch in the running statistics of batch norm.
inline constexpr double batch_norm_momentum = 0.1;

/// A layer a = dropout(activation(norm(x W) + bias)), plus x if it is residual. The memory belongs
/// to the caller. All values have the dtype of the network, except for weights in bfloat16.
struct DenseLayer {
  Activation activation = Activation::identity;
  Norm norm = Norm::none;
  double dropout = 0;  ///< The probability that an output is set to 0.
  bool residual = false;
  Matrix weight{};  ///< (inputs, outputs)
  void* weight_grad = nullptr;
  const void* bias = nullptr;
  void* bias_grad = nullptr;
  const void* norm_weight = nullptr;  ///< The weight of the norm.
  void* norm_weight_grad = nullptr;
  void* running_mean = nullptr;  ///< Of batch norm only.
  void* running_variance = nullptr;
};

/// The inputs of a network, one row for each sample.
using Inputs = std::variant<StridedMatrix, CsrMatrix>;

/// The random numbers of dropout: a seed, and the number of the first draw. Every layer with
/// dropout takes one draw, in order.
struct Draws {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
};

/// A sequence of dense layers. A network owns the memory for the values between its layers, and
/// reuses it from batch to batch. The memory grows with the largest batch. Several threads may call
/// a network: scores() runs in parallel to all other calls, which wait for each other.
class PYOPTIM_API Network {
 public:
  /// Throws std::invalid_argument unless every layer has as many inputs as the previous one has
  /// outputs. `dtype` is float32 or float64.
  Network(std::vector<DenseLayer> layers, DType dtype);

  /// Computes the mean loss of a batch and its gradient. The gradient is written to the gradients
  /// of the layers and, unless `input_grad` is nullptr, that of dense inputs to `input_grad`, which
  /// may be the memory of the inputs. The running statistics of batch norm include the batch,
  /// unless its loss is not finite.
  ///
  /// Only the targets and weights of `loss` are used. Throws std::invalid_argument if a target, a
  /// weight or an index of the inputs is out of range, and std::bad_alloc. Then no gradient is
  /// written, and the statistics are unchanged.
  double loss_and_grad(const Inputs& x, const LossCall& loss, const Draws& draws = {},
                       void* input_grad = nullptr);

  /// The outputs for rows of inputs in evaluation: without dropout, and with the running statistics
  /// of batch norm.
  void scores(const Inputs& x, void* out) const;

  /// Moves the running statistics of batch norm towards those of a batch, by `momentum`. All
  /// layers use the statistics of the batch and no dropout.
  void estimate_statistics(const Inputs& x, double momentum);

  [[nodiscard]] std::size_t inputs() const { return layers_.front().weight.rows; }
  [[nodiscard]] std::size_t outputs() const { return layers_.back().weight.columns; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  /// The smallest number of rows of a batch.
  [[nodiscard]] std::size_t min_batch_size() const { return has_batch_norm_ ? 2 : 1; }
  /// Whether dense inputs must be contiguous, because they are added to outputs.
  [[nodiscard]] bool adds_inputs() const { return layers_.front().residual; }

 private:
  /// The values of a layer, in the network's memory.
  struct Values {
    void* normal;     ///< x W, normalized
    void* z;          ///< the inputs of the activation, then its derivative
    void* a;          ///< the outputs, then the gradient by the outputs
    double* factors;  ///< the factors of the normalization
  };
  struct Offsets {
    std::size_t normal, z, a, factors;
  };
  class Statistics;

  void grow(std::size_t rows);
  void reserve(const Inputs& x, bool with_input_grad) const;
  void check(const Inputs& x) const;
  void check_kind(const Inputs& x) const;
  [[nodiscard]] Values values(std::size_t layer) const;
  [[nodiscard]] Matrix wide_weight(std::size_t layer) const;
  [[nodiscard]] void* wide_grad(std::size_t layer) const;
  void forward(std::size_t layer, const Inputs& x, const Dropout& dropout) const;
  void backward(std::size_t layer, const Inputs& x, const Matrix& d, void* input_grad) const;
  void pass_through(std::size_t layer, const Inputs& x, const Matrix& weight, void* out) const;

  std::vector<DenseLayer> layers_;
  DType dtype_;
  bool has_batch_norm_ = false;
  std::mutex training_;
  // The offsets of bfloat16 weights and their gradients, as float32.
  std::vector<std::size_t> wide_at_;
  std::vector<float> wide_;
  std::vector<std::byte> statistics_;  // running statistics before the batch
  ScratchBuffer memory_;
  std::size_t capacity_ = 0;  // rows
  std::vector<Offsets> offsets_;
};

}  // namespace pyoptim
