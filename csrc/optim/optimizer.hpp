// An optimizer over buffers that the caller owns: which rule, which parameters in which groups,
// their states, and the step.
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

/// A parameter buffer. `name` is how errors call it; `grad`, where its gradients will mostly lie,
/// if that is known, so that the states are not placed in its way. Without a shape it has one axis.
struct TensorSpec {
  std::string name;
  void* data = nullptr;
  std::size_t size = 0;
  DType dtype = DType::float32;
  const void* grad = nullptr;
  std::vector<std::size_t> shape = {};
};

/// Hyper-parameters and the settings that all optimizers have, by name.
using Settings = std::vector<std::pair<std::string, double>>;

/// Parameters that share settings; settings not given take the rule's defaults.
struct GroupSpec {
  Settings settings;
  std::vector<TensorSpec> tensors;
};

/// What is the same for all groups. 0 means: not used, or for threads the default.
struct Options {
  double clip_norm = 0;
  double clip_value = 0;
  bool skip_nonfinite = false;
  int threads = 0;
  Extras extras = {};
};

/// The type of an array that an optimizer keeps.
enum class StoredType : std::uint8_t { float32, float64, bfloat16, uint8, uint16 };

/// An array that an optimizer keeps for a tensor: of its elements, or of a shape of its own.
struct StoredArray {
  std::string name;
  void* data = nullptr;
  StoredType type = StoredType::float32;
  std::size_t size = 0;
  bool by_element = true;
  std::vector<std::size_t> shape = {};
};

struct StepInfo {
  std::int64_t step = 0;  ///< Steps made so far.
  double grad_norm = 0;   ///< Norm of all gradients, scaled and not yet clipped, if `measured`.
  bool measured = false;
  bool skipped = false;  ///< A gradient was not finite, and nothing was changed.
};

PYOPTIM_API std::size_t item_size(StoredType type);

/// Whether an array of so many items ends before the address space does.
inline bool has_addresses(const void* data, std::size_t count, std::size_t item) {
  std::size_t bytes = 0;
  std::uintptr_t end = 0;
  return !__builtin_mul_overflow(count, item, &bytes) && bytes <= PTRDIFF_MAX &&
         !__builtin_add_overflow(reinterpret_cast<std::uintptr_t>(data), bytes, &end);
}
/// Throws std::invalid_argument unless it does; `what` is what the error calls the array.
PYOPTIM_API void check_addresses(const std::string& what, const void* data, std::size_t count,
                                 std::size_t item);
/// The elements of `count` rows of a tensor that has `rows`; SIZE_MAX if a size cannot be so large.
inline std::size_t size_of_rows(std::size_t tensor_size, std::size_t rows, std::size_t count) {
  std::size_t size = 0;
  return rows != 0 && __builtin_mul_overflow(tensor_size / rows, count, &size) ? SIZE_MAX : size;
}

/// The largest count of steps: up to it a double counts exactly.
constexpr std::int64_t most_steps = std::int64_t{1} << 53;

class PYOPTIM_API Optimizer {
 public:
  /// Throws std::invalid_argument for an unknown rule or setting, one out of range, or tensors
  /// that overlap.
  Optimizer(std::string_view rule, const std::vector<GroupSpec>& groups, const Options& options);

  /// One step. `grads` has an entry a tensor, in the order of groups; nullptr leaves its tensor
  /// as it is. Gradients are multiplied by grad_scale, clipped, and never written but by
  /// zero_grads. Throws std::invalid_argument, and changes nothing, for a grad_scale that is not
  /// finite, and for gradients that overlap and are to be zeroed; std::runtime_error for a step
  /// past `most_steps`.
  StepInfo step(const void* const* grads, double grad_scale = 1);
  /// The same, where gradients may be of some rows, whose numbers must be below the length of
  /// the tensor's first axis; only if takes_rows(). All other rows, and their states, stay as they
  /// are.
  StepInfo step(const Gradient* grads, double grad_scale = 1);
  [[nodiscard]] bool takes_rows() const;

  /// Averages and copies of these tensors are left as they are by step(), until update_copies()
  /// brings them to the parameters: for parameters that are changed once more after each step.
  void postpone_copies(std::vector<std::size_t> tensors);
  /// Averages are left alone while the parameters are at their evaluation points.
  void update_copies(const std::vector<std::size_t>& tensors);

  /// Takes in estimates of the Hessian's diagonal; nullptr leaves its tensor's as it is. Only for
  /// rules that have `observe`.
  void update_hessian(const void* const* estimates);

  /// Brings parameters to the points they are to be evaluated at, or back to where they were: to
  /// the bit. In between, step() throws std::runtime_error.
  void set_evaluating(bool evaluating);
  [[nodiscard]] bool evaluating() const { return train_points_ != nullptr; }

  /// A setting of a group, by its name. set() throws std::invalid_argument as the constructor, and
  /// both throw IndexError if there is no such group.
  [[nodiscard]] double get(std::size_t group, std::string_view name) const;
  void set(std::size_t group, std::string_view name, double value);
  /// Sets several at once: all of them, or none.
  void set(std::size_t group, const Settings& settings);
  /// The same for all groups.
  void set(const std::vector<Settings>& by_group);
  /// How often settings were set.
  [[nodiscard]] std::uint64_t settings_revision() const { return settings_revision_; }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const char* rule_name() const { return groups_.front().rule->name; }
  [[nodiscard]] const RuleInfo& rule(std::size_t group) const { return *groups_[group].rule; }
  [[nodiscard]] std::size_t group_count() const { return groups_.size(); }
  [[nodiscard]] std::size_t tensor_count() const { return tensors_.size(); }
  [[nodiscard]] const Tensor& tensor(std::size_t index) const { return tensors_[index]; }
  [[nodiscard]] Tensor& tensor(std::size_t index) { return tensors_[index]; }
  /// Writes what a tensor's states begin with, if it has made no step, but not over what somebody
  /// else has written. To be called before they are read, or handed out to be written.
  void begin(std::size_t index) { begin(tensors_[index], true); }
  /// The same after states were written here: what is not what they would begin with is kept.
  void keep_written(std::size_t index);
  /// All arrays that are kept for a tensor.
  [[nodiscard]] std::vector<StoredArray> stored(std::size_t index) const;
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

  /// The memory the states lie in.
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
    bool in_float32 = false;  // whether a tensor is computed with in float32
  };
  struct Extent {
    std::uintptr_t begin;
    std::uintptr_t end;
    std::size_t tensor;
  };

  [[nodiscard]] const Group& group_at(std::size_t index) const;
  [[nodiscard]] const double* find(const Group& group, std::string_view name) const;
  void assign(Group& group, std::string_view name, double value) const;
  /// Throws if float32 cannot hold a setting that it is to be computed with.
  void check_float32(const Group& group) const;
  /// The group with these settings, which must keep the same states.
  [[nodiscard]] Group changed(std::size_t group, const Settings& settings) const;
  [[nodiscard]] const RuleInfo* variant(const Group& group) const;
  [[nodiscard]] std::vector<Tensor*> averaged();
  void check_overlap(const std::vector<GroupSpec>& specs);
  void check_extras() const;
  void allocate_states(const std::vector<GroupSpec>& specs);
  void allocate_one_by_one(const std::vector<GroupSpec>& specs);
  /// `shown`: whether somebody may write to the memory after that.
  void begin(Tensor& tensor, bool shown) const;
  /// Which of a tensor's states somebody has written, as bits of Beginning::written.
  [[nodiscard]] unsigned written_states(const Tensor& tensor) const;
  /// Whether somebody has written a state that begins as a copy of the parameters.
  [[nodiscard]] bool keeps_copy(const Tensor& tensor) const {
    return ((written_states(tensor) >> groups_[tensor.group].rule->copied_state) & 1U) != 0;
  }
  /// Brings copies and means of parameters to where these are.
  void begin_extras() const;
  void round_copies() const;
  /// What is done around the update of a tensor.
  [[nodiscard]] const Extras& extras_of(std::size_t tensor) const;
  /// What the step touches of a tensor; nullptr: all of it.
  [[nodiscard]] const CoalescedRows* rows_of(std::size_t tensor) const;
  [[nodiscard]] ArrayView values_of(const void* const* grads, std::size_t tensor) const;
  [[nodiscard]] double norm(const void* const* grads) const;
  /// Whether all gradients, when they are scaled, are finite and such as the rule can square.
  [[nodiscard]] bool all_finite(const void* const* grads, double scale) const;
  /// What gradients of this norm are to be multiplied by.
  [[nodiscard]] double clip_factor(double norm) const;
  /// Throws if a step would count past `most_steps`.
  void check_counts(const void* const* grads) const;
  /// Throws if gradients overlap, which are to be set to 0.
  void check_apart(const void* const* grads) const;
  void plan(const void* const* grads, double scale);
  /// Gives the states of tensors that make their first step their values; false if none does.
  bool begin_tensors(const void* const* grads);
  /// Moves on what the step used.
  void finish(const void* const* grads);

  Isa isa_;
  const RuleInfo* const* variants_ = nullptr;
  const RuleInfo* first_variant_ = nullptr;
  std::size_t variant_count_ = 0;
  Options options_;
  std::vector<Group> groups_;
  std::vector<Tensor> tensors_;
  std::vector<std::vector<std::size_t>> shapes_;  // of the tensors
  std::vector<Extent> extents_;
  std::shared_ptr<Arena> memory_;
  std::unique_ptr<Arena> train_points_;  // while evaluating: the parameters of rules that average
  std::int64_t steps_ = 0;
  std::uint64_t settings_revision_ = 0;
  std::vector<std::size_t> postponed_;  // tensors whose averages and copies come after the step
  Extras without_copies_;
  Plan plan_;
  std::vector<CoalescedRows> coalesced_;  // by tensor, if there ever was a gradient of rows
  std::vector<std::uint8_t> by_rows_;     // whether this step's is one; empty: none
};

}  // namespace pyoptim
