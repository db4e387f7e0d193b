// The optimizer of the C++ face. Include pyoptim/pyoptim.hpp.
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
inline namespace face1 {

/// Which rule, with which settings: a struct of pyoptim/rules.hpp, or a name of rules() and
/// settings by name.
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

/// Buffers with settings of their own. All groups of an optimizer have the same rule.
struct Group {
  Rule rule;
  std::vector<Buffer> buffers;
};

/// What is the same for all groups: the options of pyoptim_set_option and pyoptim_set_option_word.
struct Options {
  double clip_norm = 0;
  double clip_value = 0;
  bool skip_nonfinite = false;
  int num_threads = 0;
  const char* state_dtype = nullptr;
  bool stochastic_rounding = true;
  std::int64_t seed = 0;
  double ema_decay = 0;
  bool bfloat16_copy = false;
  const char* master_weights = nullptr;
  const char* modifier = nullptr;
  bool zero_grads = false;  ///< Gradients are written to: those of const memory are refused.
};

/// What a step did.
struct StepInfo {
  std::int64_t step = 0;  ///< Steps made so far.
  /// Norm of all gradients, scaled and not yet clipped; only for clip_norm and skip_nonfinite.
  std::optional<double> grad_norm;
  bool skipped = false;  ///< A gradient was not finite, and nothing was changed.
};

/// An array or a number that is kept for a buffer, and may be read and written between calls.
struct State {
  std::string_view name;
  pyoptim_type type;
  std::span<std::byte> bytes;
  std::span<const std::size_t> shape;

  /// The elements; throws Error if they are not of this type.
  template <class T>
  [[nodiscard]] std::span<T> values() const {
    if (detail::type_of<T> != type)
      throw Error(PYOPTIM_ERROR_ARGUMENT, (std::string(name) + " has another type").c_str());
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

/// Updates arrays in place by a rule. What is wrong throws Error, and changes no parameter and no
/// state. One is used by one thread at a time.
class Optimizer {
 public:
  /// Over one group of buffers.
  Optimizer(const Rule& rule, std::vector<Buffer> buffers, const Options& options = {})
      : Optimizer(std::vector<Group>{{rule, std::move(buffers)}}, options) {}

  explicit Optimizer(const std::vector<Group>& groups, const Options& options = {}) {
    using detail::check;
    check(pyoptim_check_abi(PYOPTIM_ABI_VERSION));
    if (groups.empty()) refuse("an optimizer needs at least one group");
    pyoptim_optimizer* made = nullptr;
    check(pyoptim_create(groups.front().rule.name().c_str(), nullptr, 0, &made));
    handle_.reset(made);
    set_options(options);
    for (const Group& group : groups) add(group, groups.front().rule.name());
    check(pyoptim_build(made));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      Rule::Settings scheduled = groups[i].rule.settings();
      std::erase_if(scheduled, [](const auto& setting) { return !setting.second.schedule(); });
      set(i, scheduled);
    }
  }

  /// One step with a gradient for each buffer, nullptr for none.
  StepInfo step(std::span<const Gradient> gradients, double grad_scale = 1) {
    return step_with(gradients, grad_scale);
  }
  StepInfo step(std::initializer_list<detail::GivenGradient> gradients, double grad_scale = 1) {
    return step_with(std::span(gradients.begin(), gradients.size()), grad_scale);
  }
  /// One step with the gradients that are bound to the buffers.
  StepInfo step(double grad_scale = 1) { return step_on(nullptr, grad_scale); }

  /// Takes in estimates of the Hessian's diagonal, for rules that use them.
  void update_hessian(std::span<const Gradient> estimates) { update_hessian_with(estimates); }
  void update_hessian(std::initializer_list<detail::GivenGradient> estimates) {
    update_hessian_with(std::span(estimates.begin(), estimates.size()));
  }

  /// A setting of a group, by its name.
  [[nodiscard]] double get(std::size_t group, const std::string& name) const {
    double value = 0;
    detail::check(pyoptim_get(handle_.get(), group, name.c_str(), &value));
    return value;
  }
  void set(std::size_t group, const std::string& name, const Setting& setting) {
    set(group, Rule::Settings{{name, setting}});
  }
  /// Several at once, numbers or schedules: all of them, or none.
  void set(std::size_t group, const Rule::Settings& settings) {
    detail::Arguments arguments;
    for (const auto& [name, setting] : settings)
      if (setting.schedule())
        arguments(name.c_str(), *setting.schedule());
      else
        arguments(name.c_str(), setting.value());
    detail::check(pyoptim_set_schedules(handle_.get(), group, arguments.all().data(),
                                        arguments.all().size()));
  }

  /// Brings parameters to the points where they are to be evaluated, and back.
  void eval() { detail::check(pyoptim_eval(handle_.get())); }
  void train() { detail::check(pyoptim_train(handle_.get())); }

  [[nodiscard]] std::int64_t steps() const {
    std::int64_t steps = 0;
    detail::check(pyoptim_get_steps(handle_.get(), &steps));
    return steps;
  }
  void set_steps(std::int64_t steps) { detail::check(pyoptim_set_steps(handle_.get(), steps)); }

  [[nodiscard]] std::size_t buffer_count() const { return buffers_.size(); }
  /// All that is kept for a buffer: with steps(), what to save and to put back.
  [[nodiscard]] std::vector<State> states(std::size_t buffer) const {
    std::size_t count = 0;
    detail::check(pyoptim_state_count(handle_.get(), buffer, &count));
    std::vector<State> found;
    for (std::size_t i = 0; i < count; ++i) {
      pyoptim_state state{};
      state.struct_size = sizeof state;
      detail::check(pyoptim_get_state(handle_.get(), buffer, i, &state));
      found.push_back({state.name,
                       state.type,
                       {static_cast<std::byte*>(state.data), state.bytes},
                       {state.shape, state.ndim}});
    }
    return found;
  }

  /// For the functions of the C interface; still owned by this.
  [[nodiscard]] pyoptim_optimizer* handle() const { return handle_.get(); }

 private:
  struct Kept {
    pyoptim_type type;
    std::size_t size;
    std::size_t row_length;
  };
  struct Destroy {
    void operator()(pyoptim_optimizer* handle) const { pyoptim_destroy(handle); }
  };

  [[noreturn]] static void refuse(const std::string& message) {
    throw Error(PYOPTIM_ERROR_ARGUMENT, message.c_str());
  }

  [[noreturn]] static void refuse_const(const std::string& name) {
    refuse(name + ": zero_grads writes to gradients, and this one is const");
  }

  static pyoptim_step_info new_info() {
    pyoptim_step_info info{};
    info.struct_size = sizeof info;
    return info;
  }
  StepInfo told(const pyoptim_step_info& info) const {
    StepInfo made{info.step, {}, info.skipped != 0};
    if (measured_) made.grad_norm = info.grad_norm;
    return made;
  }
  /// Gradients are Gradient or what derives from it.
  template <class G>
  StepInfo step_with(std::span<const G> gradients, double grad_scale) {
    if (gradients.size() != buffers_.size())
      refuse("expected " + std::to_string(buffers_.size()) + " gradients, got " +
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
    detail::check(pyoptim_step_rows(handle_.get(), of_rows_.data(), grad_scale, &info));
    return told(info);
  }
  template <class G>
  void update_hessian_with(std::span<const G> estimates) {
    if (estimates.size() != buffers_.size()) refuse("expected an estimate for each buffer");
    for (std::size_t i = 0; i < estimates.size(); ++i) {
      const Gradient& estimate = estimates[i];
      check_fits(estimate, i);
      if (estimate.rows() != nullptr) refuse("estimates are of all elements");
      pointers_[i] = estimate.values();
    }
    detail::check(pyoptim_update_hessian(handle_.get(), pointers_.data()));
  }
  StepInfo step_on(const void* const* gradients, double grad_scale) {
    pyoptim_step_info info = new_info();
    detail::check(pyoptim_step(handle_.get(), gradients, grad_scale, &info));
    return told(info);
  }

  void check_fits(const Gradient& gradient, std::size_t index) const {
    if (gradient.is_none()) return;
    const Kept& buffer = buffers_[index];
    const std::string name = "gradient " + std::to_string(index);
    if (gradient.type() != buffer.type) refuse(name + " has another type than its buffer");
    const std::size_t size =
        gradient.rows() == nullptr ? buffer.size : gradient.row_count() * buffer.row_length;
    if (gradient.size() != size)
      refuse(name + ": expected " + std::to_string(size) + " elements, got " +
             std::to_string(gradient.size()));
  }

  void set_options(const Options& options) {
    const std::pair<const char*, double> numbers[] = {
        {"clip_norm", options.clip_norm},
        {"clip_value", options.clip_value},
        {"skip_nonfinite", options.skip_nonfinite},
        {"num_threads", options.num_threads},
        {"stochastic_rounding", options.stochastic_rounding},
        {"seed", double(options.seed)},
        {"ema_decay", options.ema_decay},
        {"bfloat16_copy", options.bfloat16_copy},
        {"zero_grads", options.zero_grads}};
    for (const auto& [name, value] : numbers)
      detail::check(pyoptim_set_option(handle_.get(), name, value));
    const std::pair<const char*, const char*> words[] = {{"state_dtype", options.state_dtype},
                                                         {"master_weights", options.master_weights},
                                                         {"modifier", options.modifier}};
    for (const auto& [name, word] : words)
      detail::check(pyoptim_set_option_word(handle_.get(), name, word));
    measured_ = options.clip_norm > 0 || options.skip_nonfinite;
    zero_grads_ = options.zero_grads;
  }

  void add(const Group& group, const std::string& rule) {
    if (group.rule.name() != rule)
      refuse("all groups have the same rule, not " + rule + " and " + group.rule.name());
    std::vector<pyoptim_setting> settings;
    for (const auto& [name, setting] : group.rule.settings())
      settings.push_back({name.c_str(), setting.value()});
    detail::check(pyoptim_add_group(handle_.get(), settings.data(), settings.size()));
    for (const Buffer& buffer : group.buffers) add(buffer);
  }

  void add(const Buffer& buffer) {
    std::size_t size = 1;
    for (const std::size_t length : buffer.shape()) size *= length;
    if (size != buffer.size()) refuse(buffer.name() + ": the shape does not fit the elements");
    if (!buffer.gradient_fits()) refuse(buffer.name() + ": the bound gradient does not fit");
    if (zero_grads_ && !buffer.gradient_is_writable())
      refuse_const("the gradient of " + buffer.name());
    const char* const name = buffer.name().empty() ? nullptr : buffer.name().c_str();
    detail::check(pyoptim_add_buffer(handle_.get(), name, buffer.type(), buffer.data(),
                                     buffer.shape().size(), buffer.shape().data()));
    if (buffer.gradient() != nullptr)
      detail::check(pyoptim_bind_gradient(handle_.get(), buffers_.size(), buffer.gradient()));
    const std::size_t rows = buffer.shape().front();
    buffers_.push_back({buffer.type(), buffer.size(), rows == 0 ? 0 : buffer.size() / rows});
    pointers_.push_back(nullptr);
    of_rows_.emplace_back();
  }

  std::unique_ptr<pyoptim_optimizer, Destroy> handle_;
  std::vector<Kept> buffers_;
  std::vector<const void*> pointers_;      // of the step that is being made
  std::vector<pyoptim_gradient> of_rows_;  // the same
  bool measured_ = false;
  bool zero_grads_ = false;
};

/// Points of evaluation for as long as this lives.
class Evaluation {
 public:
  explicit Evaluation(Optimizer& optimizer) : optimizer_(optimizer) { optimizer_.eval(); }
  ~Evaluation() { pyoptim_train(optimizer_.handle()); }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

 private:
  Optimizer& optimizer_;
};

}  // namespace face1
}  // namespace pyoptim
