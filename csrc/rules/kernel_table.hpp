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

/// A run of consecutive elements: where its parameters, gradients and states lie.
struct Span {
  void* param;
  const void* grad;
  void* state[max_states];
  std::size_t size;
};

/// The moment of an update: `count` is 1 at a tensor's first step, `scalars` are what the rule
/// remembers beside its arrays (NAdam's product of momenta), `weight_decay` is for the rules that
/// decay parameters themselves, `sums` are what the rule measured, over `elements` of them. Bit k
/// of `written`: whether somebody has written state k before the first step, which this is then.
struct Step {
  std::int64_t count;
  double lr;
  const double* scalars;
  double weight_decay = 0;
  const double* sums = nullptr;
  std::size_t elements = 0;
  unsigned written = 0;
};

/// What the engine does to an element before the rule sees it:
/// g <- clamp(g * scale * rest, -bound, bound) + l2 * p, and p <- keep * p.
struct Shaping {
  double scale = 1;
  double rest = 1;  ///< Another factor, for scales that the element's type cannot hold in one.
  double bound = __builtin_huge_val();
  double l2 = 0;
  double keep = 1;
};

/// The magnitudes of gradients, scaled and clipped, at which a rule does in float32 what it does in
/// float64: what it keeps of larger ones overflows, of smaller ones is 0.
struct GradientRange {
  double low = 0;
  double high = __FLT_MAX__;
};

/// The settings that every optimizer has; a rule chooses their defaults.
struct Defaults {
  double lr = 1e-3;
  double weight_decay = 0;
  bool decoupled_weight_decay = false;
};

/// Called around the update of each span of a call, if given.
struct SpanHooks {
  void* context;
  void (*before)(void* context, std::size_t index);
  void (*after)(void* context, std::size_t index);
};

using Update = void (*)(const double* hyper, const Step&, const Shaping&, const Span*,
                        std::size_t count, const SpanHooks*);

/// How states are kept between steps: as they are computed with, or in fewer bits.
enum class StateFormat : std::uint8_t { full, bfloat16, float8 };
inline constexpr std::size_t state_format_count = 3;
inline constexpr std::size_t scale_block = 256;  ///< Elements of float8 that share a scale.

/// How a state of fewer bits is rounded in a step. The next state's key is `next_key` more.
struct Rounding {
  bool stochastic;
  std::uint32_t key;
};

inline constexpr std::uint32_t next_key = 0x85EBCA77U;

/// Spans whose states are codes of one format, in float32 else; the scales of those in float8.
/// Each begins with an element whose number in its tensor, `first`, is a multiple of scale_block.
struct PackedSpans {
  struct Scales {
    float* of[max_states];
  };
  const Span* spans;
  const Scales* scales;
  const std::size_t* first;
  std::size_t count;
  Rounding rounding;
};

using PackedUpdate = void (*)(const double* hyper, const Step&, const Shaping&, const PackedSpans&,
                              const SpanHooks&);

/// The first pass of rules that measure: may change states, and gives the rule's sums over each
/// block of so many elements.
using Measure = void (*)(const double* hyper, const Step&, const Shaping&, const Span&,
                         std::size_t block, double* sums);

/// What a state has a number for.
enum class StateShape : std::uint8_t { element, row, column };

/// The matrices an array is seen as: those over its last two axes, or one with a row for each
/// index of its first axis. An array of one axis is one row in the first case.
enum class Matrices : std::uint8_t { last_two_axes, first_axis };

/// Columns of a tile, at most.
inline constexpr std::size_t longest_row = 1 << 14;

/// A part of a tensor's matrices: some of them whole, or a piece of one. Pointers are to what
/// belongs to its first element, row or column.
struct Tile {
  void* param;
  const void* grad;
  void* state[max_states];
  const void* row_factor;     ///< What the rule is given for rows; nullptr if it keeps none.
  const void* column_factor;  ///< And for columns; if they have one element only, their state.
  double* row_values;         ///< What is found of each row in the tile, `row_stride` apart.
  std::size_t row_stride;
  /// And of each column, in the type of arithmetic; nullptr if columns have one element only.
  void* column_values;
  std::size_t matrices;
  std::size_t rows;
  std::size_t columns;
  std::size_t stride;  ///< Elements from one row to the next.
};

/// What was found of the rows and columns of a tensor, in tiles that are to be put together.
struct Found {
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

/// One pass over a tile; `total` is the sum of what it adds up.
using FactoredPass = void (*)(const double* hyper, const Step&, const Shaping&, const Tile&,
                              double* total);

/// How a rule steps that keeps states for rows and columns, in place of `update` and `measure`.
struct FactoredKernels {
  StateShape shape[max_states];
  Matrices matrices;
  const char*
      vector_state;    ///< What a column's state is called where there is one row, or nullptr.
  bool relative_rows;  ///< Whether row_factor is memory of its own, not the rows' state.
  bool takes_factors;  ///< Whether column_factor is memory of its own, not the columns' state.
  Pass collecting;     ///< The pass that finds something of rows and columns.
  /// By pass and dtype, nullptr for a pass that the rule does not make; then as for updates.
  FactoredPass pass[pass_count][dtype_count][2];
  /// Moves on the states of rows and columns, by the type of arithmetic.
  void (*combine[2])(const double* hyper, const Step&, const Found&);
};

/// One variant of an optimizer, as the engine sees it. Variants of one name follow each other.
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
  /// Whether this variant serves these hyper-parameters.
  bool (*applies)(const double* hyper);
  /// What is wrong with the hyper-parameters taken together, or nullptr.
  const char* (*conflict)(const double* hyper);
  /// The value state `index` starts from at a tensor's first step.
  double (*initial_state)(const double* hyper, double lr, std::size_t index);
  void (*initial_scalars)(const double* hyper, double lr, double* scalars);
  /// Moves the scalars on after the step they were used in.
  void (*advance)(const double* hyper, const Step&, double* scalars);
  /// By dtype; then for `rest` 1 and `l2` 0, and for any.
  Update update[dtype_count][2];
  /// The same for states of fewer bits: by format, for rounding to nearest and stochastically,
  /// then as above. nullptr where states are decoded, updated and encoded block by block.
  PackedUpdate packed[state_format_count][2][2];
  /// Bit k: whether the update changes state k, and whether the first pass does.
  unsigned changed_by_update;
  unsigned changed_by_measure;
  GradientRange gradient_range;
  /// The field that is the lr at construction unless it is given; field_count if none is.
  std::size_t first_lr;
  /// The state that starts as a copy of the parameters; state_count if none does.
  std::size_t copied_state;
  /// The state that is a running mean of the parameters; state_count if none is.
  std::size_t mean_state;
  /// The state that update_hessian() changes; state_count if none is. Both are always kept whole.
  std::size_t observed_state;
  /// How many arrays each pass reads, parameters and gradients among them.
  std::size_t reads[pass_count];
  /// How many sums the first pass gives, and that pass; 0 and nullptr for elementwise rules.
  std::size_t sum_count;
  Measure measure[dtype_count][2];
  /// Whether sums are over all parameters together, and scalars theirs, too.
  bool sums_of_all;
  /// Whether decoupled weight decay is part of the rule, which finds it in Step.
  bool decays_itself;
  /// Whether a step may touch some rows of a tensor only, and leave all else as it is.
  bool takes_rows;
  const FactoredKernels* factored;  ///< nullptr for rules whose states are all of elements
  /// Parameters become the point the rule is to be evaluated at; nullptr if they are it.
  void (*evaluation[dtype_count])(const double* hyper, const Span&);
  /// Takes in the values in a span's place of gradients, as update_hessian() gives them; or
  /// nullptr.
  void (*observe[dtype_count])(const double* hyper, const Span&);
};

/// All variants of all rules, those of one name after each other.
struct RuleTable {
  const RuleInfo& (*const* item)();
  std::size_t size;
};

}  // namespace pyoptim
