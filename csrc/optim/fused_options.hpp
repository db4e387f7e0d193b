// What is done around the update of a block of a tensor while it is in cache: states in fewer bits,
// parameters with more, a changed direction, a mean of the parameters, a copy.
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

/// Where parameters of bfloat16 have the bits that they cannot hold.
enum class Master : std::uint8_t { none, full, low_half };
/// How an update's direction is changed.
enum class Modifier : std::uint8_t { none, cautious, grams };

/// What is done beside the update; nothing by default.
struct Extras {
  StateFormat format = StateFormat::full;
  bool stochastic = false;  ///< Whether states are rounded up or down at random.
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

/// What a tensor keeps for these, where they are on.
struct ExtraArrays {
  float* scales[max_states] = {};
  void* ema = nullptr;            ///< In the type of arithmetic.
  std::uint16_t* copy = nullptr;  ///< bfloat16
  float* master = nullptr;
  std::uint16_t* low_half = nullptr;
};

/// What is kept beside a tensor of this type: only those of bfloat16 have masters.
inline Master master_of(DType dtype, const Extras& extras) {
  return dtype == DType::bfloat16 ? extras.master : Master::none;
}
/// The type that the elements of a run are updated in: float32 for bfloat16 that is brought to it.
DType updated_as(DType dtype, const Extras& extras);
/// How a state of a rule is kept.
StateFormat format_of(const RuleInfo& rule, std::size_t state, const Extras& extras);

/// The longest part of a tensor that is updated at a time.
inline constexpr std::size_t longest_stage = 1 << 18;

/// The bytes of memory that a thread needs for the two below, where a rule or a modifier measures
/// and where not.
std::size_t stage_memory(bool measures);

/// The elements [begin, end) of a run's tensor, in blocks; `memory` is aligned to a line of cache.
void measure_staged(const Run& run, std::size_t begin, std::size_t end, double* sums,
                    std::byte* memory);
void update_staged(const Run& run, std::size_t begin, std::size_t end, std::byte* memory);

}  // namespace pyoptim
