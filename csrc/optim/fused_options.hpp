// Options that are fused with the update of a block while it is in cache: quantized states, master
// weights, modifiers, an EMA and a bfloat16 copy.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dispatch.hpp"
#include "core/dtype.hpp"
#include "optim/kernel_table.hpp"
#include "optim/quantize/kernel_table.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim {

struct Run;

extern const PerIsa<FusedKernels> fused_kernels;
extern const PerIsa<QuantizeKernels> quantize_kernels;

/// Master weights of bfloat16 parameters: none, in float32, or the lower halves of float32.
enum class Master : std::uint8_t { none, full, low_half };
/// How an update's direction is modified.
enum class Modifier : std::uint8_t { none, cautious, grams };

/// The fused options of an optimizer; all off by default.
struct FusedOptions {
  StateFormat format = StateFormat::full;
  bool stochastic = false;  ///< Whether quantized states are rounded stochastically.
  std::uint64_t seed = 0;
  double ema_decay = 0;
  bool bfloat16_copy = false;
  Master master = Master::none;
  Modifier modifier = Modifier::none;
  bool zero_grads = false;

  [[nodiscard]] bool any() const {
    return format != StateFormat::full || ema_decay > 0 || bfloat16_copy ||
           master != Master::none || modifier != Modifier::none || zero_grads;
  }
};

/// The arrays of a tensor for these options; nullptr if not used.
struct FusedArrays {
  float* scales[max_states] = {};
  void* ema = nullptr;            ///< In the dtype of arithmetic.
  std::uint16_t* copy = nullptr;  ///< bfloat16
  float* master = nullptr;
  std::uint16_t* low_half = nullptr;
};

/// The master weights of a tensor. Only bfloat16 tensors have them.
inline Master master_of(DType dtype, const FusedOptions& fused) {
  return dtype == DType::bfloat16 ? fused.master : Master::none;
}
/// The dtype in which the elements of a run are updated: float32 for bfloat16 tensors that are
/// decoded.
DType updated_as(DType dtype, const FusedOptions& fused);
/// The format of a state of a rule.
StateFormat format_of(const RuleInfo& rule, std::size_t state, const FusedOptions& fused);

/// The largest number of elements that are updated in one call.
inline constexpr std::size_t max_fused_size = 1 << 18;

/// The bytes of memory that a thread needs for the two functions below. `measures` tells whether
/// the rule or the modifier has a first pass.
std::size_t fused_memory(bool measures);

/// Process the elements [begin, end) of a run's tensor in blocks. `memory` is aligned to a cache
/// line.
void measure_fused(const Run& run, std::size_t begin, std::size_t end, double* sums,
                   std::byte* memory);
void update_fused(const Run& run, std::size_t begin, std::size_t end, std::byte* memory);

}  // namespace pyoptim
