// An optimizer over buffers that the caller owns: a rule, groups of parameters, their states, and
// the step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/arena.hpp"
#include "core/dispatch.hpp"
#include "core/dtype.hpp"
#include "core/export.hpp"
#include "core/text.hpp"
#include "optim/plan.hpp"
#include "optim/sparse_grad.hpp"

namespace pyoptim {

/// A parameter buffer. `name` is its name in error messages. `grad` is the usual address of its
/// gradient, if known, so that states get addresses that suit it. Without a shape it has one axis.
struct TensorSpec {
  std::string name;
  void* data = nullptr;
  std::size_t size = 0;
  DType dtype = DType::float32;
  const void* grad = nullptr;
  std::vector<std::size_t> shape = {};
};

/// Hyperparameters of a group, by name.
using Settings = std::vector<std::pair<std::string, double>>;

/// Parameters with common hyperparameters, which default to those of the rule.
struct GroupSpec {
  Settings settings;
  std::vector<TensorSpec> tensors;
};

/// Options for all groups. 0 turns an option off, or is the default number of threads.
struct Options {
  double clip_norm = 0;
  double clip_value = 0;
  bool skip_nonfinite = false;
  int threads = 0;
  FusedOptions fused = {};
};

/// The dtype of an array that an optimizer stores.
enum class StoredType : std::uint8_t { float32, float64, bfloat16, uint8, uint16 };

/// An array that an optimizer stores for a tensor: with one item for each element, or with its own
/// shape.
struct StoredArray {
  std::string name;
  void* data = nullptr;
  StoredType type = StoredType::float32;
  std::size_t size = 0;
  bool by_element = true;
  std::vector<std::size_t> shape = {};
};

struct StepInfo {
  std::int64_t step = 0;  ///< The number of steps so far.
  double grad_norm =
      0;  ///< The norm of all gradients, after scaling and before clipping, if `measured`.
  bool measured = false;
  bool skipped = false;  ///< Whether a gradient was not finite, so that nothing was changed.
};

PYOPTIM_API std::size_t item_size(StoredType type);

/// Whether an array of `count` items ends before the end of the address space.
inline bool has_addresses(const void* data, std::size_t count, std::size_t item) {
  std::size_t bytes = 0;
  std::uintptr_t end = 0;
  return !__builtin_mul_overflow(count, item, &bytes) && bytes <= PTRDIFF_MAX &&
         !__builtin_add_overflow(reinterpret_cast<std::uintptr_t>(data), bytes, &end);
}
/// Throws std::invalid_argument otherwise. The message starts with `what`.
PYOPTIM_API void check_addresses(const std::string& what, const void* data, std::size_t count,
                                 std::size_t item);
/// The number of elements of `count` rows of a tensor with `rows` rows; SIZE_MAX on overflow.
inline std::size_t size_of_rows(std::size_t tensor_size, std::size_t rows, std::size_t count) {
  std::size_t size = 0;
  return rows != 0 && __builtin_mul_overflow(tensor_size / rows, count, &size) ? SIZE_MAX : size;
}

/// The largest number of steps, up to which a double counts exactly.
constexpr std::int64_t max_steps = std::int64_t{1} << 53;

class PYOPTIM_API Optimizer {
 public:
  /// Throws std::invalid_argument for an unknown rule or hyperparameter, a value out of range, or
  /// tensors that overlap.
  Optimizer(std::string_view rule, const std::vector<GroupSpec>& groups, const Options& options);

  /// Makes one step. `grads` has a pointer for each tensor, in the order of groups; nullptr skips
  /// the tensor. Gradients are multiplied by grad_scale and clipped. They are never written, except
  /// by zero_grads. Throws std::invalid_argument if grad_scale is not finite or gradients to be
  /// zeroed overlap, and std::runtime_error for a step past `max_steps`. Nothing is changed then.
  StepInfo step(const void* const* grads, double grad_scale = 1);
  /// The same with row-sparse gradients, if supports_row_grad(). Row numbers must be below the
  /// length of the tensor's first axis. All other rows and their states are unchanged.
  StepInfo step(const Gradient* grads, double grad_scale = 1);
  [[nodiscard]] bool supports_row_grad() const;

  /// Leaves the EMA and the copies of these tensors to update_copies(), for parameters that the
  /// caller changes after each step.
  void postpone_copies(std::vector<std::size_t> tensors);
  /// Updates the EMA and the copies. In eval mode the EMA is unchanged.
  void update_copies(const std::vector<std::size_t>& tensors);

  /// Updates states with estimates of the Hessian's diagonal; nullptr skips the tensor. Only for
  /// rules with `update_hessian`.
  void update_hessian(const void* const* estimates);

  /// Switches between train and eval mode. The parameters of train mode are restored exactly.
  /// step() throws std::runtime_error in eval mode.
  void set_evaluating(bool evaluating);
  [[nodiscard]] bool evaluating() const { return train_params_ != nullptr; }

  /// A hyperparameter of a group. set() throws std::invalid_argument like the constructor. Both
  /// throw IndexError if there is no such group.
  [[nodiscard]] double get(std::size_t group, std::string_view name) const;
  void set(std::size_t group, std::string_view name, double value);
  /// Sets several at once: all of them or none.
  void set(std::size_t group, const Settings& settings);
  /// The same for all groups.
  void set(const std::vector<Settings>& by_group);
  /// The number of calls that set hyperparameters.
  [[nodiscard]] std::uint64_t settings_revision() const { return settings_revision_; }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const char* rule_name() const { return groups_.front().rule->name; }
  [[nodiscard]] const RuleInfo& rule(std::size_t group) const { return *groups_[group].rule; }
  [[nodiscard]] std::size_t group_count() const { return groups_.size(); }
  [[nodiscard]] std::size_t tensor_count() const { return tensors_.size(); }
  [[nodiscard]] const Tensor& tensor(std::size_t index) const { return tensors_[index]; }
  [[nodiscard]] Tensor& tensor(std::size_t index) { return tensors_[index]; }
  /// Initializes the states of a tensor before its first step, except for states that the caller
  /// has written. Must be called before states are read or handed out.
  void begin(std::size_t index) { begin(tensors_[index], true); }
  /// Called after states were written here. States that differ from their initial values are kept.
  void keep_written(std::size_t index);
  /// All arrays that are stored for a tensor.
  [[nodiscard]] std::vector<StoredArray> stored(std::size_t index) const;
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

  /// The memory of the states.
  [[nodiscard]] const std::shared_ptr<Arena>& memory() const { return memory_; }

  /// Whether these bytes overlap a parameter or a state.
  [[nodiscard]] bool overlaps(const void* data, std::size_t bytes) const;

 private:
  struct Group {
    const RuleInfo* rule = nullptr;
    std::vector<double> hyper;
    double lr = 0;
    double weight_decay = 0;
    double decoupled_weight_decay = 0;
    double maximize = 0;
    bool in_float32 = false;  // whether a tensor of the group uses float32 arithmetic
  };
  struct Extent {
    std::uintptr_t begin;
    std::uintptr_t end;
    std::size_t tensor;
  };

  [[nodiscard]] const Group& group_at(std::size_t index) const;
  [[nodiscard]] const double* find(const Group& group, std::string_view name) const;
  void assign(Group& group, std::string_view name, double value) const;
  /// Throws if float32 cannot hold a hyperparameter of the group.
  void check_float32(const Group& group) const;
  /// The group with changed hyperparameters, which must not change its states.
  [[nodiscard]] Group changed(std::size_t group, const Settings& settings) const;
  [[nodiscard]] const RuleInfo* variant(const Group& group) const;
  [[nodiscard]] std::vector<Tensor*> averaged();
  void check_overlap(const std::vector<GroupSpec>& specs);
  void check_fused_options() const;
  void allocate_states(const std::vector<GroupSpec>& specs);
  void allocate_one_by_one(const std::vector<GroupSpec>& specs);
  /// `shown` tells whether the caller may write to the memory afterwards.
  void begin(Tensor& tensor, bool shown) const;
  /// The states of a tensor that the caller has written, as bits of Beginning::written.
  [[nodiscard]] unsigned written_states(const Tensor& tensor) const;
  /// Whether the caller has written the state that is initialized with the parameters.
  [[nodiscard]] bool keeps_copy(const Tensor& tensor) const {
    return ((written_states(tensor) >> groups_[tensor.group].rule->copied_state) & 1U) != 0;
  }
  /// Initializes EMAs and copies with the parameters.
  void begin_fused_arrays() const;
  void round_copies() const;
  /// The fused options of a tensor in this step.
  [[nodiscard]] const FusedOptions& fused_options_of(std::size_t tensor) const;
  /// The rows of a tensor that the step updates; nullptr if all.
  [[nodiscard]] const CoalescedRows* rows_of(std::size_t tensor) const;
  [[nodiscard]] ArrayView values_of(const void* const* grads, std::size_t tensor) const;
  [[nodiscard]] double norm(const void* const* grads) const;
  /// Whether all scaled gradients are finite and in the gradient range of the rule.
  [[nodiscard]] bool all_finite(const void* const* grads, double scale) const;
  /// The factor that clips gradients of this norm.
  [[nodiscard]] double clip_factor(double norm) const;
  /// Throws if a step counter would exceed `max_steps`.
  void check_counts(const void* const* grads) const;
  /// Throws if gradients that are to be zeroed overlap.
  void check_apart(const void* const* grads) const;
  void plan(const void* const* grads, double scale);
  /// Initializes the states of tensors in their first step; false if there are none.
  bool begin_tensors(const void* const* grads);
  /// Updates counters and scalars after a step.
  void finish(const void* const* grads);

  Isa isa_;
  const RuleInfo* const* variants_ = nullptr;
  const RuleInfo* first_variant_ = nullptr;
  std::size_t variant_count_ = 0;
  Options options_;
  std::vector<Group> groups_;
  std::vector<Tensor> tensors_;
  std::vector<std::vector<std::size_t>> shapes_;  // one for each tensor
  std::vector<Extent> extents_;
  std::shared_ptr<Arena> memory_;
  std::unique_ptr<Arena> train_params_;  // in eval mode: the parameters of train mode
  std::int64_t steps_ = 0;
  std::uint64_t settings_revision_ = 0;
  std::vector<std::size_t> postponed_;  // tensors whose EMAs and copies are updated after the step
  FusedOptions without_copies_;
  Plan plan_;
  std::vector<CoalescedRows> coalesced_;  // by tensor, once there was a row-sparse gradient
  std::vector<std::uint8_t>
      by_rows_;  // whether each gradient of this step is row-sparse; empty if none is
};

}  // namespace pyoptim
