// Rules as they are seen by code that is compiled once. Plain data and function pointers only:
// nothing here is inline code that two differently compiled files could both emit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.hpp"
#include "core/fields.hpp"

namespace pyoptim {

inline constexpr std::size_t max_states = 4;
inline constexpr std::size_t max_scalars = 3;
inline constexpr std::size_t max_sums = 2;

/// A run of consecutive elements, with their parameters, gradients and states.
struct Span {
  void* param;
  const void* grad;
  void* state[max_states];
  std::size_t size;
};

/// The arguments of a step. `count` is 1 at the first step of a tensor. `scalars` are the numbers
/// that the rule keeps besides its arrays, such as NAdam's product of momenta. `weight_decay` is
/// for rules with fused_weight_decay. `sums` are the results of the first pass over `elements`
/// elements. Bit k of `written` is set if state k was written by the caller before the first step.
struct Step {
  std::int64_t count;
  double lr;
  const double* scalars;
  double weight_decay = 0;
  const double* sums = nullptr;
  std::size_t elements = 0;
  unsigned written = 0;
};

/// Preprocessing of an element, before the rule is applied: g <- clamp(g * scale * rest, -bound,
/// bound) + l2 * p, and p <- keep * p.
struct Preprocess {
  double scale = 1;
  double rest = 1;  ///< A second factor, for scales that one number of the dtype cannot hold.
  double bound = __builtin_huge_val();
  double l2 = 0;
  double keep = 1;
};

/// The magnitudes of scaled and clipped gradients for which a rule in float32 behaves as in
/// float64. States of larger gradients overflow, states of smaller ones are 0.
struct GradientRange {
  double low = 0;
  double high = __FLT_MAX__;
};

/// The defaults of the hyperparameters that every optimizer has.
struct Defaults {
  double lr = 1e-3;
  double weight_decay = 0;
  bool decoupled_weight_decay = false;
};

/// Functions that are called before and after the update of each span.
struct SpanHooks {
  void* context;
  void (*before)(void* context, std::size_t index);
  void (*after)(void* context, std::size_t index);
};

using Update = void (*)(const double* hyper, const Step&, const Preprocess&, const Span*,
                        std::size_t count, const SpanHooks*);

/// How states are stored between steps: in the dtype of arithmetic, or quantized.
enum class StateFormat : std::uint8_t { full, bfloat16, float8 };
inline constexpr std::size_t state_format_count = 3;
inline constexpr std::size_t scale_block =
    256;  ///< The number of float8 elements that share a scale.

/// The rounding of quantized states in a step. Each state's key is `next_key` larger than the key
/// of the state before it.
struct Rounding {
  bool stochastic;
  std::uint32_t key;
};

inline constexpr std::uint32_t next_key = 0x85EBCA77U;

/// Spans with quantized states of one format, and the scales of float8 states. `first` is the
/// number of a span's first element in its tensor, a multiple of scale_block.
struct QuantizedSpans {
  struct Scales {
    float* of[max_states];
  };
  const Span* spans;
  const Scales* scales;
  const std::size_t* first;
  std::size_t count;
  Rounding rounding;
};

using QuantizedUpdate = void (*)(const double* hyper, const Step&, const Preprocess&,
                                 const QuantizedSpans&, const SpanHooks&);

/// The first pass of a rule with sums. It may change states, and writes the sums over each block of
/// `block` elements.
using Measure = void (*)(const double* hyper, const Step&, const Preprocess&, const Span&,
                         std::size_t block, double* sums);

/// A state has a number for each element, row or column.
enum class StateShape : std::uint8_t { element, row, column };

/// How an array is viewed as matrices: over its last two axes, or as one matrix with a row for each
/// index of the first axis. With `last_two_axes`, an array of one axis is one row.
enum class Matrices : std::uint8_t { last_two_axes, first_axis };

/// The largest number of columns of a tile.
inline constexpr std::size_t longest_row = 1 << 14;

/// A part of a tensor's matrices: some whole matrices, or a piece of one. All pointers are to the
/// tile's first element, row or column.
struct Tile {
  void* param;
  const void* grad;
  void* state[max_states];
  const void* row_factor;  ///< The argument of the rule for rows; nullptr if the rule keeps none.
  const void*
      column_factor;   ///< The argument for columns, or the states of columns of one element.
  double* row_values;  ///< The results for the rows of the tile, `row_stride` apart.
  std::size_t row_stride;
  /// The results for the columns, in the dtype of arithmetic; nullptr for columns of one element.
  void* column_values;
  std::size_t matrices;
  std::size_t rows;
  std::size_t columns;
  std::size_t stride;  ///< From one row to the next, in elements.
};

/// The results for the rows and columns of a tensor, still one for each tile.
struct RowColumnStats {
  void* state[max_states];
  void* row_factor;
  void* column_factor;
  const double* row_values;
  const void* column_values;
  std::size_t matrices;
  std::size_t rows;
  std::size_t columns;
  std::size_t row_tiles;
  std::size_t column_tiles;
};

enum class Pass : std::uint8_t { collect, measure, update };
inline constexpr std::size_t pass_count = 3;

/// One pass over a tile. `total` is the sum of the pass.
using FactoredPass = void (*)(const double* hyper, const Step&, const Preprocess&, const Tile&,
                              double* total);

/// The kernels of a rule with factored states, which replace `update` and `measure`.
struct FactoredKernels {
  StateShape shape[max_states];
  Matrices matrices;
  const char* one_row_state;  ///< The name of the column state of an array of one row, or nullptr.
  bool relative_rows;         ///< Whether row_factor has its own memory instead of the row state's.
  bool takes_factors;  ///< Whether column_factor has its own memory instead of the column state's.
  Pass collecting;     ///< The pass that computes the results for rows and columns.
  /// Indexed by pass and dtype, then as `update`. nullptr for a pass that the rule does not have.
  FactoredPass pass[pass_count][dtype_count][2];
  /// Updates the states of rows and columns. Indexed by the dtype of arithmetic.
  void (*combine[2])(const double* hyper, const Step&, const RowColumnStats&);
};

/// One variant of a rule, for code that is compiled once. Variants of one name follow each other.
struct RuleInfo {
  const char* name;
  const char* doc;
  Defaults defaults;
  const FieldInfo* fields;
  std::size_t field_count;
  const char* const* states;
  std::size_t state_count;
  const char* const* scalars;
  std::size_t scalar_count;
  /// Whether this variant is the one for these hyperparameters.
  bool (*applies)(const double* hyper);
  /// The error of hyperparameters that do not go together, or nullptr.
  const char* (*conflict)(const double* hyper);
  /// The initial value of state `index`.
  double (*initial_state)(const double* hyper, double lr, std::size_t index);
  void (*initial_scalars)(const double* hyper, double lr, double* scalars);
  /// Updates the scalars after a step.
  void (*advance)(const double* hyper, const Step&, double* scalars);
  /// Indexed by dtype, then: for `rest` 1 and `l2` 0 only, or for all values.
  Update update[dtype_count][2];
  /// The same for quantized states. Indexed by format, by rounding (to nearest, stochastic), then
  /// as `update`. nullptr if states are decoded, updated and encoded block by block.
  QuantizedUpdate quantized[state_format_count][2][2];
  /// Bit k is set if the update, or the first pass, changes state k.
  unsigned changed_by_update;
  unsigned changed_by_measure;
  GradientRange gradient_range;
  /// The field that defaults to the lr at construction; field_count if there is none.
  std::size_t first_lr;
  /// The state that is initialized with the parameters; state_count if there is none.
  std::size_t copied_state;
  /// The state that is a running mean of the parameters; state_count if there is none.
  std::size_t mean_state;
  /// The state that update_hessian() changes; state_count if there is none. copied_state and
  /// hessian_state are never quantized.
  std::size_t hessian_state;
  /// The number of arrays that each pass reads, including parameters and gradients.
  std::size_t reads[pass_count];
  /// The number of sums of the first pass, and that pass; 0 and nullptr for elementwise rules.
  std::size_t sum_count;
  Measure measure[dtype_count][2];
  /// Whether sums and scalars are over all parameters together.
  bool global_sums;
  /// Whether decoupled weight decay is part of the rule, which reads it from Step.
  bool fused_weight_decay;
  /// Whether a step may update some rows of a tensor only.
  bool supports_row_grad;
  const FactoredKernels* factored;  ///< nullptr for rules without factored states
  /// Replaces parameters by those of eval mode; nullptr if the rule has no eval mode.
  void (*eval_params[dtype_count])(const double* hyper, const Span&);
  /// Updates a state with Hessian estimates, which take the place of gradients; or nullptr.
  void (*update_hessian[dtype_count])(const double* hyper, const Span&);
};

/// All variants of all rules. The variants of one name follow each other.
struct RuleTable {
  const RuleInfo& (*const* item)();
  std::size_t size;
};

}  // namespace pyoptim
