// The optimizer of the C++ interface. Include pyoptim/pyoptim.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pyoptim/array.hpp"
#include "pyoptim/schedule.hpp"

namespace pyoptim {
inline namespace v1 {

/// A rule with its hyperparameters, from a struct of pyoptim/rules.hpp, or from a name of rules()
/// and named hyperparameters.
class Rule {
 public:
  using Settings = std::vector<std::pair<std::string, Setting>>;

  template <class R>
    requires requires(const R& rule) { std::string(R::rule_name); }
  Rule(const R& rule) : name_(R::rule_name) {
    rule.each(
        [this](const char* name, const Setting& value) { settings_.emplace_back(name, value); });
  }
  explicit Rule(std::string name, Settings settings = {})
      : name_(std::move(name)), settings_(std::move(settings)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }

 private:
  std::string name_;
  Settings settings_;
};

/// Buffers with their own hyperparameters. All groups of an optimizer have the same rule.
struct Group {
  Rule rule;
  std::vector<Buffer> buffers;
};

/// Options of the whole optimizer, those of pyoptim_set_option and pyoptim_set_option_word.
struct Options {
  double clip_norm = 0;
  double clip_value = 0;
  bool skip_nonfinite = false;
  int num_threads = 0;
  const char* state_dtype = nullptr;
  bool stochastic_rounding = true;
  std::uint64_t seed = 0;
  double ema_decay = 0;
  bool bfloat16_copy = false;
  const char* master_weights = nullptr;
  const char* modifier = nullptr;
  bool zero_grads = false;  ///< Writes to gradients, and rejects const memory.
};

/// The result of a step.
struct StepInfo {
  std::int64_t step = 0;  ///< Number of steps so far.
  /// Norm of all scaled gradients before clipping; only with clip_norm or skip_nonfinite.
  std::optional<double> grad_norm;
  bool skipped = false;  ///< Whether a nonfinite gradient made the step change nothing.
};

/// A state of a buffer, which you may read and write between calls.
struct State {
  std::string_view name;
  pyoptim_type type;
  std::span<std::byte> bytes;
  std::span<const std::size_t> shape;

  /// Returns the elements. Throws Error if they have another type.
  template <class T>
  [[nodiscard]] std::span<T> values() const {
    if (detail::type_of<T> != type)
      throw Error(PYOPTIM_ERROR_ARGUMENT, (std::string(name) + " has another type").c_str());
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

class Evaluation;

/// Updates arrays in place by a rule. A failed call throws Error or the exception of a schedule
/// function, and changes no parameter and no state. Use an optimizer from one thread at a time, not
/// from its own schedules, and not after it was moved from.
class Optimizer {
 public:
  /// Creates an optimizer over one group of buffers.
  Optimizer(const Rule& rule, std::vector<Buffer> buffers, const Options& options = {})
      : Optimizer(std::vector<Group>{{rule, std::move(buffers)}}, options) {}

  explicit Optimizer(const std::vector<Group>& groups, const Options& options = {}) {
    using detail::check;
    check(pyoptim_check_abi(PYOPTIM_ABI_VERSION));
    if (groups.empty()) detail::refuse("an optimizer needs at least one group");
    pyoptim_optimizer* raw_handle = nullptr;
    check(pyoptim_create(detail::c_name(groups.front().rule.name(), "the rule"), nullptr, 0,
                         &raw_handle));
    own_ = std::make_shared<Own>(raw_handle);
    set_options(options);
    for (const Group& group : groups) add(group, groups.front().rule.name());
    check(pyoptim_build(raw_handle));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      Rule::Settings scheduled = groups[i].rule.settings();
      std::erase_if(scheduled, [](const auto& setting) { return !setting.second.schedule(); });
      set(i, scheduled);
    }
  }

  Optimizer(Optimizer&&) noexcept = default;
  Optimizer& operator=(Optimizer&&) noexcept = default;

  /// Makes a step with a gradient, or nullptr, for each buffer. Throws Error if their number, a
  /// type or a size does not match, and in the cases of pyoptim_step.
  StepInfo step(std::span<const Gradient> gradients, double grad_scale = 1) {
    return step_with(gradients, grad_scale);
  }
  StepInfo step(std::initializer_list<detail::GivenGradient> gradients, double grad_scale = 1) {
    return step_with(std::span(gradients.begin(), gradients.size()), grad_scale);
  }
  /// Makes a step with the gradients bound to the buffers.
  StepInfo step(double grad_scale = 1) { return step_on(nullptr, grad_scale); }

  /// Updates the rule's state with estimates of the diagonal Hessian. Throws Error if the rule does
  /// not use them.
  void update_hessian(std::span<const Gradient> estimates) { update_hessian_with(estimates); }
  void update_hessian(std::initializer_list<detail::GivenGradient> estimates) {
    update_hessian_with(std::span(estimates.begin(), estimates.size()));
  }

  /// Returns a hyperparameter of a group. Throws Error for an unknown group or name.
  [[nodiscard]] double get(std::size_t group, const std::string& name) const {
    double value = 0;
    detail::check(pyoptim_get(used(), group, detail::c_name(name, "the setting"), &value));
    return value;
  }
  /// Sets a hyperparameter to a number or a schedule. Throws Error like get(), for a value out of
  /// range, and in the cases of pyoptim_set_schedule.
  void set(std::size_t group, const std::string& name, const Setting& setting) {
    set(group, Rule::Settings{{name, setting}});
  }
  /// Sets several hyperparameters to numbers or schedules, either all of them or none.
  void set(std::size_t group, const Rule::Settings& settings) {
    detail::Arguments arguments;
    for (const auto& [name, setting] : settings)
      if (setting.schedule())
        arguments(detail::c_name(name, "the setting"), *setting.schedule());
      else
        arguments(detail::c_name(name, "the setting"), setting.value());
    detail::check(
        pyoptim_set_schedules(used(), group, arguments.all().data(), arguments.all().size()));
  }

  /// Switches between eval mode and train mode; see Evaluation.
  void eval() { detail::check(pyoptim_eval(used())); }
  void train() { detail::check(pyoptim_train(used())); }
  /// Returns whether the optimizer is in eval mode.
  [[nodiscard]] bool evaluating() const {
    std::int32_t evaluating = 0;
    detail::check(pyoptim_evaluating(used(), &evaluating));
    return evaluating != 0;
  }

  /// The number of steps, at most 2^53; set_steps() throws Error for other numbers.
  [[nodiscard]] std::int64_t steps() const {
    std::int64_t steps = 0;
    detail::check(pyoptim_get_steps(used(), &steps));
    return steps;
  }
  void set_steps(std::int64_t steps) { detail::check(pyoptim_set_steps(used(), steps)); }

  [[nodiscard]] std::size_t buffer_count() const { return buffers_.size(); }
  /// Returns all states of a buffer. Save and restore them together with steps(). Throws Error for
  /// an unknown buffer.
  [[nodiscard]] std::vector<State> states(std::size_t buffer) const {
    std::size_t count = 0;
    detail::check(pyoptim_state_count(used(), buffer, &count));
    std::vector<State> result;
    for (std::size_t i = 0; i < count; ++i) {
      pyoptim_state state{};
      state.struct_size = sizeof state;
      detail::check(pyoptim_get_state(used(), buffer, i, &state));
      result.push_back({state.name,
                        state.type,
                        {static_cast<std::byte*>(state.data), state.bytes},
                        {state.shape, state.ndim}});
    }
    return result;
  }

  /// Returns the handle for the C interface, which this still owns; nullptr if moved from.
  [[nodiscard]] pyoptim_optimizer* handle() const {
    return own_ == nullptr ? nullptr : own_->handle;
  }

 private:
  struct Kept {
    pyoptim_type type;
    std::size_t size;
    std::size_t row_length;
  };
  /// The handle and its evaluations, which keep their address when the optimizer is moved.
  struct Own {
    explicit Own(pyoptim_optimizer* raw_handle) : handle(raw_handle) {}
    Own(const Own&) = delete;
    Own& operator=(const Own&) = delete;
    ~Own() { pyoptim_destroy(handle); }

    pyoptim_optimizer* handle;
    std::size_t evaluations = 0;
    bool stays_at_evaluation = false;  // it was there before the first Evaluation
    bool in_call = false;              // which uses the memory for gradients
  };
  friend class Evaluation;

  /// Memory for gradients is of one call, which a schedule may be part of.
  class Call {
   public:
    explicit Call(const Optimizer& optimizer) : own_(optimizer.own_) {
      static_cast<void>(optimizer.used());
      if (own_->in_call)
        throw Error(PYOPTIM_ERROR_STATE,
                    "the optimizer is in a call already: its own schedule must not use it");
      own_->in_call = true;
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() { own_->in_call = false; }

   private:
    std::shared_ptr<Own> own_;
  };

  [[nodiscard]] pyoptim_optimizer* used() const {
    if (own_ == nullptr)
      throw Error(PYOPTIM_ERROR_STATE, "the optimizer was moved from; use the one it moved to");
    return own_->handle;
  }

  [[noreturn]] static void refuse_const(const std::string& name) {
    detail::refuse(name + ": zero_grads writes to gradients, and this one is const");
  }

  static pyoptim_step_info new_info() {
    pyoptim_step_info info{};
    info.struct_size = sizeof info;
    return info;
  }
  StepInfo to_step_info(const pyoptim_step_info& info) const {
    StepInfo raw_handle{info.step, {}, info.skipped != 0};
    if (measured_) raw_handle.grad_norm = info.grad_norm;
    return raw_handle;
  }
  /// G is Gradient or a class derived from it.
  template <class G>
  StepInfo step_with(std::span<const G> gradients, double grad_scale) {
    const Call call(*this);
    if (gradients.size() != buffers_.size())
      detail::refuse("expected " + std::to_string(buffers_.size()) + " gradients, got " +
                     std::to_string(gradients.size()));
    bool by_rows = false;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Gradient& gradient = gradients[i];
      check_fits(gradient, i);
      if (zero_grads_ && !gradient.is_writable()) refuse_const("gradient " + std::to_string(i));
      by_rows = by_rows || gradient.rows() != nullptr;
      of_rows_[i] = {gradient.values(), gradient.rows(), gradient.row_count()};
      pointers_[i] = gradient.values();
    }
    if (!by_rows) return step_on(pointers_.data(), grad_scale);
    pyoptim_step_info info = new_info();
    detail::check(pyoptim_step_rows(used(), of_rows_.data(), grad_scale, &info));
    return to_step_info(info);
  }
  template <class G>
  void update_hessian_with(std::span<const G> estimates) {
    const Call call(*this);
    if (estimates.size() != buffers_.size()) detail::refuse("expected an estimate for each buffer");
    for (std::size_t i = 0; i < estimates.size(); ++i) {
      const Gradient& estimate = estimates[i];
      check_fits(estimate, i);
      if (estimate.rows() != nullptr) detail::refuse("estimates are of all elements");
      pointers_[i] = estimate.values();
    }
    detail::check(pyoptim_update_hessian(used(), pointers_.data()));
  }
  StepInfo step_on(const void* const* gradients, double grad_scale) {
    pyoptim_step_info info = new_info();
    detail::check(pyoptim_step(used(), gradients, grad_scale, &info));
    return to_step_info(info);
  }

  void check_fits(const Gradient& gradient, std::size_t index) const {
    if (gradient.is_none()) return;
    const Kept& buffer = buffers_[index];
    const std::string name = "gradient " + std::to_string(index);
    if (gradient.type() != buffer.type) detail::refuse(name + " has another type than its buffer");
    const std::size_t size =
        gradient.rows() == nullptr ? buffer.size : gradient.row_count() * buffer.row_length;
    if (gradient.size() != size)
      detail::refuse(name + ": expected " + std::to_string(size) + " elements, got " +
                     std::to_string(gradient.size()));
  }

  void set_options(const Options& options) {
    const std::pair<const char*, double> numbers[] = {
        {"clip_norm", options.clip_norm},
        {"clip_value", options.clip_value},
        {"skip_nonfinite", options.skip_nonfinite},
        {"num_threads", options.num_threads},
        {"stochastic_rounding", options.stochastic_rounding},
        {"ema_decay", options.ema_decay},
        {"bfloat16_copy", options.bfloat16_copy},
        {"zero_grads", options.zero_grads}};
    for (const auto& [name, value] : numbers)
      detail::check(pyoptim_set_option(used(), name, value));
    detail::check(pyoptim_set_option_count(used(), "seed", options.seed));
    const std::pair<const char*, const char*> words[] = {{"state_dtype", options.state_dtype},
                                                         {"master_weights", options.master_weights},
                                                         {"modifier", options.modifier}};
    for (const auto& [name, word] : words)
      detail::check(pyoptim_set_option_word(used(), name, word));
    measured_ = options.clip_norm > 0 || options.skip_nonfinite;
    zero_grads_ = options.zero_grads;
  }

  void add(const Group& group, const std::string& rule) {
    if (group.rule.name() != rule)
      detail::refuse("all groups have the same rule, not " + rule + " and " + group.rule.name());
    std::vector<pyoptim_setting> settings;
    for (const auto& [name, setting] : group.rule.settings())
      settings.push_back({detail::c_name(name, "the setting"), setting.value()});
    detail::check(pyoptim_add_group(used(), settings.data(), settings.size()));
    for (const Buffer& buffer : group.buffers) add(buffer);
  }

  void add(const Buffer& buffer) {
    std::size_t size = 1;
    for (const std::size_t length : buffer.shape()) size *= length;
    if (size != buffer.size())
      detail::refuse(buffer.name() + ": the shape does not fit the elements");
    if (!buffer.gradient_fits())
      detail::refuse(buffer.name() + ": the bound gradient does not fit");
    if (zero_grads_ && !buffer.gradient_is_writable())
      refuse_const("the gradient of " + buffer.name());
    const char* const name =
        buffer.name().empty() ? nullptr : detail::c_name(buffer.name(), "the buffer");
    detail::check(pyoptim_add_buffer(used(), name, buffer.type(), buffer.data(),
                                     buffer.shape().size(), buffer.shape().data()));
    if (buffer.gradient() != nullptr)
      detail::check(pyoptim_bind_gradient(used(), buffers_.size(), buffer.gradient()));
    const std::size_t rows = buffer.shape().front();
    buffers_.push_back({buffer.type(), buffer.size(), rows == 0 ? 0 : buffer.size() / rows});
    pointers_.push_back(nullptr);
    of_rows_.emplace_back();
  }

  std::shared_ptr<Own> own_;
  std::vector<Kept> buffers_;
  std::vector<const void*> pointers_;      // of the step that is being made
  std::vector<pyoptim_gradient> of_rows_;  // the same
  bool measured_ = false;
  bool zero_grads_ = false;
};

/// Keeps an optimizer in eval mode during its lifetime. Several may exist at once. The last one to
/// end restores train mode, unless the optimizer was in eval mode before the first. You may move
/// the optimizer meanwhile. If you destroy it, the parameters keep their values. Throws Error for
/// an optimizer that was moved from.
class Evaluation {
 public:
  explicit Evaluation(Optimizer& optimizer) : own_(optimizer.own_) {
    const bool before = optimizer.evaluating();
    optimizer.eval();
    if (optimizer.own_->evaluations++ == 0) optimizer.own_->stays_at_evaluation = before;
  }
  ~Evaluation() {
    const auto own = own_.lock();
    if (own != nullptr && --own->evaluations == 0 && !own->stays_at_evaluation)
      pyoptim_train(own->handle);
  }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

 private:
  std::weak_ptr<Optimizer::Own> own_;
};

}  // namespace v1
}  // namespace pyoptim
