// The functions of a Stepper (pyoptim/cython_optim.pyx) that run without the GIL. Text is created
// for errors only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/exceptions.hpp"
#include "core/errors.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim::bindings {

/// The scheduled hyperparameters of one step, with the number of their group.
using StepSettings = std::vector<std::pair<std::size_t, Settings>>;

/// The engine's optimizer, with the gradients of its steps and the hyperparameters of the next
/// ones.
class Driver {
 public:
  /// `grads` has an entry for each tensor, or is empty. `rows` are the lengths of the tensors'
  /// first axes; 0 without axes. `scheduled` are the scheduled hyperparameters of each group,
  /// which are evaluated for `ahead` steps at a time.
  Driver(Optimizer* engine, std::vector<const void*> grads, std::vector<std::size_t> rows,
         std::vector<std::pair<std::size_t, std::string>> scheduled, std::size_t ahead)
      : engine_(engine),
        grads_(std::move(grads)),
        rows_(std::move(rows)),
        scheduled_(std::move(scheduled)),
        ahead_(ahead),
        revision_(engine->settings_revision()) {}

  [[nodiscard]] const StepInfo& last() const { return last_; }
  [[nodiscard]] std::int64_t steps() const { return engine_->steps(); }
  [[nodiscard]] std::size_t count() const { return engine_->tensor_count(); }

  /// The number of steps that schedules are evaluated for at a time.
  [[nodiscard]] std::size_t ahead() const { return ahead_; }
  /// Whether schedules have to be evaluated before the next step. Hyperparameters set elsewhere
  /// may change them.
  [[nodiscard]] bool needs_settings() const {
    if (engine_->settings_revision() != revision_) return true;
    const std::int64_t next = steps() - first_;
    return !scheduled_.empty() && (ahead_ == 1 || next < 0 || next >= std::int64_t(coming_.size()));
  }
  /// Whether schedules are being evaluated. They must not make a step themselves.
  [[nodiscard]] bool is_asking() const { return is_asking_; }
  void set_asking(bool is_asking) { is_asking_ = is_asking; }
  /// Sets the scheduled hyperparameters and their values in the next steps.
  void take_settings(std::vector<std::pair<std::size_t, std::string>> scheduled,
                     std::vector<StepSettings> coming) {
    revision_ = engine_->settings_revision();
    first_ = steps();
    scheduled_ = std::move(scheduled);
    coming_ = std::move(coming);
  }

  /// Makes a step with the gradients of the constructor.
  void step(double grad_scale) {
    if (grads_.empty() && count() > 0)
      throw std::invalid_argument(
          "gradients are needed: the Stepper was made without, and only optimizers over "
          "Parameters, none of them row-sparse, have their own");
    prepare();
    last_ = engine_->step(grads_.data(), grad_scale);
  }

  /// Makes a step with other gradients; nullptr skips the tensor.
  void step_on(const void* const* grads, double grad_scale) {
    check_pointer("gradients", grads);
    for (std::size_t i = 0; i < count(); ++i) check_overlap(i, grads[i], engine_->tensor(i).size);
    prepare();
    last_ = engine_->step(grads, grad_scale);
  }

  /// The same with row-sparse gradients: one with `rows` has `counts` rows.
  void step_rows(const void* const* grads, const std::int64_t* const* rows,
                 const std::size_t* counts, double grad_scale) {
    check_pointer("gradients", grads);
    check_pointer("rows", rows);
    check_pointer("counts", counts);
    std::vector<Gradient> all(count());
    for (std::size_t i = 0; i < count(); ++i) {
      all[i].values = grads[i];
      std::size_t size = engine_->tensor(i).size;
      if (rows[i] != nullptr) {
        all[i].rows = rows[i];
        all[i].row_count = counts[i];
        check_rows(i, all[i]);
        size = size_of_rows(size, rows_[i], counts[i]);
      }
      check_overlap(i, grads[i], size);
    }
    prepare();
    last_ = engine_->step(all.data(), grad_scale);
  }

  void update_hessian(const void* const* estimates) {
    const RuleInfo& rule = engine_->rule(0);
    if (rule.update_hessian[0] == nullptr)
      throw std::invalid_argument(std::string(rule.name) + " uses no estimates of the Hessian");
    check_pointer("estimates", estimates);
    for (std::size_t i = 0; i < count(); ++i)
      check_overlap(i, estimates[i], engine_->tensor(i).size);
    engine_->update_hessian(estimates);
  }

  void set_evaluating(bool evaluating) { engine_->set_evaluating(evaluating); }

  [[nodiscard]] double get(std::size_t group, const char* name) const {
    check_group(group);
    check_pointer("name", name);
    return engine_->get(group, name);
  }
  void set(std::size_t group, const char* name, double value) {
    check_group(group);
    check_pointer("name", name);
    for (const auto& [of, scheduled] : scheduled_)
      if (of == group && scheduled == name)
        throw std::invalid_argument(std::string(name) + " of group " + std::to_string(group) +
                                    " is a schedule: every step sets it");
    const bool known = engine_->settings_revision() == revision_;
    engine_->set(group, name, value);
    if (known) revision_ = engine_->settings_revision();
  }

  [[nodiscard]] void* param(std::size_t index, std::size_t* size) const {
    check_pointer("size", size);
    return *size = tensor(index).size, tensor(index).param;
  }

  [[nodiscard]] const Tensor& tensor(std::size_t index) const {
    if (index >= count())
      throw IndexError("there is no parameter " + std::to_string(index) + ", but " +
                       std::to_string(count()));
    return engine_->tensor(index);
  }

  /// The memory of a state or scalar, and its number of elements.
  [[nodiscard]] const void* state(std::size_t index, const char* name, std::size_t* size) const {
    check_pointer("name", name);
    check_pointer("size", size);
    const Tensor& of = tensor(index);
    engine_->begin(index);
    const RuleInfo& rule = engine_->rule(of.group);
    std::string known;
    for (const StoredArray& stored : engine_->stored(index)) {
      if (stored.name == name) return *size = stored.size, stored.data;
      known += stored.name + ", ";
    }
    for (std::size_t k = 0; k < rule.scalar_count; ++k) {
      if (std::string_view(rule.scalars[k]) == name) return *size = 1, &of.scalars[k];
      known += std::string(rule.scalars[k]) + ", ";
    }
    if (std::string_view(name) == "step") return *size = 1, &of.steps;
    throw std::invalid_argument("parameter " + std::to_string(index) + " has no state '" + name +
                                "'; it has " + known + "step");
  }

 private:
  void prepare() {
    if (scheduled_.empty()) return;
    for (const auto& [group, settings] : coming_[std::size_t(steps() - first_)])
      engine_->set(group, settings);
    revision_ = engine_->settings_revision();
  }

  static void check_pointer(const char* what, const void* pointer) {
    if (pointer == nullptr) throw std::invalid_argument(std::string(what) + ": got NULL");
  }

  void check_group(std::size_t group) const {
    if (group >= engine_->group_count())
      throw IndexError("there is no group " + std::to_string(group) + ", but " +
                       std::to_string(engine_->group_count()));
  }

  void check_overlap(std::size_t index, const void* grad, std::size_t size) const {
    if (grad == nullptr) return;
    const std::size_t item = item_size(engine_->tensor(index).dtype);
    if (!has_addresses(grad, size, item))
      check_addresses("gradient " + std::to_string(index), grad, size, item);
    if (engine_->overlaps(grad, size * item))
      throw std::invalid_argument("gradient " + std::to_string(index) +
                                  " overlaps a parameter or a state in memory");
  }

  void check_rows(std::size_t index, const Gradient& grad) const {
    if (!has_addresses(grad.rows, grad.row_count, sizeof *grad.rows))
      check_addresses("the rows of gradient " + std::to_string(index), grad.rows, grad.row_count,
                      sizeof *grad.rows);
    const auto* const end = grad.rows + grad.row_count;
    const auto limit = std::int64_t(rows_[index]);
    const auto* const wrong =
        std::find_if(grad.rows, end, [=](std::int64_t row) { return row < 0 || row >= limit; });
    if (wrong != end)
      throw IndexError("gradient " + std::to_string(index) + ": expected numbers of " +
                       std::to_string(limit) + " rows, got " + std::to_string(*wrong));
  }

  Optimizer* engine_;
  std::vector<const void*> grads_;
  std::vector<std::size_t> rows_;
  std::vector<std::pair<std::size_t, std::string>> scheduled_;
  std::size_t ahead_;
  std::vector<StepSettings> coming_;
  std::uint64_t revision_;  // of the hyperparameters when the scheduled ones were set
  bool is_asking_ = false;
  std::int64_t first_ = 0;  // the step of the first element of coming_
  StepInfo last_;
};

}  // namespace pyoptim::bindings
