#include "optim/optimizer.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>

#include "core/check_range.hpp"
#include "core/errors.hpp"
#include "core/threads.hpp"
#include "foreach/norm.hpp"
#include "optim/factored/factored.hpp"
#include "rules/registry.hpp"

namespace pyoptim {
namespace {

constexpr double unlimited = HUGE_VAL;
constexpr Range non_negative{0, unlimited, false, true, false};
constexpr Range flag{0, 1, false, false, true};

/// Splits a scale into two factors, so that both are normal numbers of the dtype.
void set_scale(Preprocess& preprocess, double scale, DType dtype) {
  const bool is_float64 = dtype == DType::float64;
  const double min = is_float64 ? DBL_MIN : FLT_MIN, max = is_float64 ? DBL_MAX : FLT_MAX;
  const double size = std::fabs(scale), shift = is_float64 ? 0x1p-512 : 0x1p-100;
  preprocess.rest = size > max ? 1 / shift : size != 0 && size < min ? shift : 1;
  preprocess.scale = scale / preprocess.rest;
}

[[noreturn]] void refuse_rule(std::string_view name, Isa isa) {
  std::string known, last;
  for (const RuleInfo* const rule : all_rules(isa)) {
    if (last == rule->name) continue;
    last = rule->name;
    known += (known.empty() ? "" : ", ") + last;
  }
  throw std::invalid_argument("there is no optimizer '" + std::string(name) + "'; there are " +
                              known);
}

/// The key of stochastic rounding, a hash of the seed, the step and the tensor.
std::uint32_t rounding_key(std::uint64_t seed, std::int64_t step, std::size_t tensor) {
  std::uint64_t bits = seed;
  for (const std::uint64_t next : {std::uint64_t(step), std::uint64_t(tensor)}) {
    bits = (bits ^ next) + 0x9E3779B97F4A7C15U;
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9U;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBU;
    bits ^= bits >> 31;
  }
  return static_cast<std::uint32_t>(bits >> 32);
}

}  // namespace

std::size_t item_size(StoredType type) {
  switch (type) {
    case StoredType::float32:
      return 4;
    case StoredType::float64:
      return 8;
    case StoredType::uint8:
      return 1;
    case StoredType::bfloat16:
    case StoredType::uint16:
      return 2;
  }
  return 0;
}

void check_addresses(const std::string& what, const void* data, std::size_t count,
                     std::size_t item) {
  if (!has_addresses(data, count, item))
    throw std::invalid_argument(what +
                                ": reaches past the end of the address space, got a size of " +
                                std::to_string(count));
}

Optimizer::Optimizer(std::string_view rule, const std::vector<GroupSpec>& groups,
                     const Options& options)
    : isa_(active_isa()), options_(options) {
  for (const RuleInfo* const& variant : all_rules(isa_)) {
    if (rule != variant->name) continue;
    if (variant_count_++ == 0) variants_ = &variant;
  }
  if (variant_count_ == 0) refuse_rule(rule, isa_);
  first_variant_ = variants_[0];
  if (groups.empty()) throw std::invalid_argument("an optimizer needs at least one group");
  check_range("clip_norm", non_negative, options.clip_norm);
  check_range("clip_value", non_negative, options.clip_value);
  check_range("num_threads", {0, max_threads, false, false, false}, options.threads);

  for (const GroupSpec& spec : groups) {
    Group group;
    const Defaults& defaults = first_variant_->defaults;
    group.lr = defaults.lr;
    group.weight_decay = defaults.weight_decay;
    group.decoupled_weight_decay = defaults.decoupled_weight_decay ? 1 : 0;
    for (std::size_t i = 0; i < first_variant_->field_count; ++i)
      group.hyper.push_back(first_variant_->fields[i].initial);
    for (const auto& [name, value] : spec.settings) assign(group, name, value);
    group.rule = variant(group);
    if (const std::size_t i = group.rule->first_lr; i < group.hyper.size() && group.hyper[i] == 0)
      group.hyper[i] = group.lr;
    for (const TensorSpec& tensor : spec.tensors) {
      Tensor new_tensor;
      new_tensor.param = tensor.data;
      new_tensor.size = tensor.size;
      new_tensor.dtype = tensor.dtype;
      new_tensor.group = groups_.size();
      const bool of_one_axis = tensor.shape.empty() && tensor.size != 1;
      shapes_.push_back(of_one_axis ? Shape{tensor.size} : tensor.shape);
      if (group.rule->factored != nullptr)
        new_tensor.matrices = matrices_of(*group.rule, shapes_.back());
      group.rule->initial_scalars(group.hyper.data(), group.lr, new_tensor.scalars);
      tensors_.push_back(new_tensor);
      group.in_float32 = group.in_float32 || tensor.dtype != DType::float64;
    }
    check_float32(group);
    groups_.push_back(std::move(group));
  }
  check_overlap(groups);
  check_fused_options();
  if (options.fused.any() || first_variant_->factored != nullptr)
    allocate_one_by_one(groups);
  else
    allocate_states(groups);
  begin_fused_arrays();
}

void Optimizer::check_fused_options() const {
  const FusedOptions& fused = options_.fused;
  check_range("ema_decay", {0, 1, false, true, false}, fused.ema_decay);
  const auto refuse = [this](const std::string& what) {
    throw std::invalid_argument(std::string(first_variant_->name) + ": " + what);
  };
  if (fused.modifier == Modifier::cautious && first_variant_->sum_count > 0)
    refuse("cautious updates are for rules without norms");
  if (fused.any() && first_variant_->factored != nullptr)
    refuse("nothing can be done around updates by rows and columns");
  for (const Tensor& tensor : tensors_) {
    if (tensor.dtype == DType::float64 && fused.format != StateFormat::full)
      refuse("state_dtype is for parameters of float32 and bfloat16, not of float64");
    if (fused.bfloat16_copy && tensor.dtype != DType::float32)
      refuse("bfloat16_copy is for parameters of float32");
  }
  const auto has_master = [&](const Tensor& tensor) {
    return master_of(tensor.dtype, fused) != Master::none;
  };
  if (fused.master != Master::none && !tensors_.empty() &&
      std::none_of(tensors_.begin(), tensors_.end(), has_master))
    refuse("master_weights are for parameters of bfloat16, and there are none");
}

const double* Optimizer::find(const Group& group, std::string_view name) const {
  if (name == "lr") return &group.lr;
  if (name == "weight_decay") return &group.weight_decay;
  if (name == "decoupled_weight_decay") return &group.decoupled_weight_decay;
  if (name == "maximize") return &group.maximize;
  for (std::size_t i = 0; i < first_variant_->field_count; ++i)
    if (name == first_variant_->fields[i].name) return &group.hyper[i];
  std::string known = "lr, weight_decay, decoupled_weight_decay, maximize";
  for (std::size_t i = 0; i < first_variant_->field_count; ++i)
    known += std::string(", ") + first_variant_->fields[i].name;
  throw std::invalid_argument(std::string(first_variant_->name) + " has no setting '" +
                              std::string(name) + "'; it has " + known);
}

void Optimizer::assign(Group& group, std::string_view name, double value) const {
  auto* const slot = const_cast<double*>(find(group, name));
  const bool is_flag = name == "decoupled_weight_decay" || name == "maximize";
  Range range = is_flag ? flag : non_negative;
  if (slot >= group.hyper.data() && slot < group.hyper.data() + group.hyper.size())
    range = first_variant_->fields[slot - group.hyper.data()].range;
  check_range(std::string(first_variant_->name) + ": " + std::string(name), range, value);
  *slot = value;
}

void Optimizer::check_float32(const Group& group) const {
  if (!group.in_float32) return;
  const auto check = [this](const char* name, double value) {
    if (std::fabs(value) > FLT_MAX)
      throw std::invalid_argument(std::string(first_variant_->name) + ": " + name +
                                  ": too large for parameters of float32 and bfloat16, got " +
                                  text(value) + "; use float64, or " + text(FLT_MAX) + " at most");
  };
  check("lr", group.lr);
  check("weight_decay", group.weight_decay);
  for (std::size_t i = 0; i < group.hyper.size(); ++i)
    if (!first_variant_->fields[i].in_double) check(first_variant_->fields[i].name, group.hyper[i]);
}

const RuleInfo* Optimizer::variant(const Group& group) const {
  const double* const hyper = group.hyper.data();
  const RuleInfo* const* const result =
      std::find_if(variants_, variants_ + variant_count_,
                   [&](const RuleInfo* rule) { return rule->applies(hyper); });
  if (const char* wrong = first_variant_->conflict(hyper); wrong != nullptr)
    throw std::invalid_argument(std::string(first_variant_->name) + ": " + wrong);
  return *result;
}

const Optimizer::Group& Optimizer::group_at(std::size_t index) const {
  if (index < groups_.size()) return groups_[index];
  throw IndexError("there is no group " + std::to_string(index) + ", but " +
                   std::to_string(groups_.size()));
}

double Optimizer::get(std::size_t group, std::string_view name) const {
  return *find(group_at(group), name);
}

void Optimizer::set(std::size_t group, std::string_view name, double value) {
  set(group, Settings{{std::string(name), value}});
}

Optimizer::Group Optimizer::changed(std::size_t group, const Settings& settings) const {
  Group changed = group_at(group);
  for (const auto& [name, value] : settings) assign(changed, name, value);
  check_float32(changed);
  if (variant(changed) != changed.rule) {
    std::string change;
    for (const auto& [name, value] : settings)
      if (value != get(group, name))
        change += (change.empty() ? "" : ", ") + name + " from " + text(get(group, name)) + " to " +
                  text(value);
    throw std::invalid_argument(std::string(first_variant_->name) + ": changing " + change +
                                " changes which states are kept; make a new optimizer");
  }
  return changed;
}

void Optimizer::set(std::size_t group, const Settings& settings) {
  Group next = changed(group, settings);
  groups_[group] = std::move(next);
  ++settings_revision_;
}

void Optimizer::set(const std::vector<Settings>& by_group) {
  std::vector<Group> all;
  for (std::size_t i = 0; i < by_group.size(); ++i) all.push_back(changed(i, by_group[i]));
  std::move(all.begin(), all.end(), groups_.begin());
  ++settings_revision_;
}

void Optimizer::check_overlap(const std::vector<GroupSpec>& specs) {
  std::vector<const TensorSpec*> all;
  for (const GroupSpec& group : specs)
    for (const TensorSpec& tensor : group.tensors) all.push_back(&tensor);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto begin = reinterpret_cast<std::uintptr_t>(all[i]->data);
    const std::size_t item = item_size(all[i]->dtype), bytes = all[i]->size * item;
    check_addresses(all[i]->name, all[i]->data, all[i]->size, item);
    // Arrays have at most 8 bytes for each element. Consecutive parameters share one check.
    if (all[i]->size > PTRDIFF_MAX / 8) throw std::bad_alloc();
    if (bytes > 0) extents_.push_back({begin, begin + bytes, i});
  }
  std::sort(extents_.begin(), extents_.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < extents_.size(); ++i) {
    if (extents_[i].begin >= extents_[i - 1].end) continue;
    const auto [first, second] = std::minmax(extents_[i - 1].tensor, extents_[i].tensor);
    throw std::invalid_argument(all[first]->name + " and " + all[second]->name +
                                " overlap in memory; every parameter must have its own");
  }
}

bool Optimizer::overlaps(const void* data, std::size_t bytes) const {
  if (bytes == 0) return false;
  const auto begin = reinterpret_cast<std::uintptr_t>(data), end = begin + bytes;
  const auto states = reinterpret_cast<std::uintptr_t>(memory_->data());
  if (begin < states + memory_->size() && states < end) return true;
  const auto after = std::upper_bound(
      extents_.begin(), extents_.end(), begin,
      [](std::uintptr_t address, const Extent& extent) { return address < extent.end; });
  return after != extents_.end() && after->begin < end;
}

double Optimizer::norm(const void* const* grads) const {
  std::vector<ArrayView> values;
  std::size_t elements = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (grads[i] == nullptr) continue;
    values.push_back(values_of(grads, i));
    elements += values.back().size;
  }
  const Team team(elements, options_.threads);
  return euclidean_norm(values, isa_, team.threads());
}

void Optimizer::plan(const void* const* grads, double scale) {
  const FloatEnvironment environment;
  plan_.clear();
  const Tensor* before = nullptr;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (grads[i] == nullptr) continue;
    Tensor& tensor = tensors_[i];
    const Group& group = groups_[tensor.group];
    const RuleInfo& rule = *group.rule;
    const FusedOptions& fused = options_.fused;
    const CoalescedRows* const rows = rows_of(i);
    const bool alone =
        rule.sum_count > 0 || rule.factored != nullptr || fused.any() || rows != nullptr;
    const bool same_run =
        before != nullptr && !alone && before->group == tensor.group &&
        before->dtype == tensor.dtype && before->steps == tensor.steps &&
        before->written() == tensor.written() &&
        std::memcmp(before->scalars, tensor.scalars, rule.scalar_count * sizeof(double)) == 0;
    if (!same_run) {
      const bool decoupled = group.decoupled_weight_decay != 0;
      Preprocess preprocess;
      if (options_.clip_value > 0) preprocess.bound = options_.clip_value;
      if (!decoupled)
        preprocess.l2 = group.weight_decay;
      else if (!rule.fused_weight_decay)
        preprocess.keep = 1 - group.lr * group.weight_decay;
      set_scale(preprocess, group.maximize != 0 ? -scale : scale, tensor.dtype);
      const bool general = preprocess.l2 != 0 || preprocess.rest != 1;
      const DType dtype = updated_as(tensor.dtype, fused);
      const bool counts = fused.modifier == Modifier::cautious;
      plan_.start_run(
          {.update = rule.update[int(dtype)][general ? 1 : 0],
           .measure = rule.measure[int(dtype)][general ? 1 : 0],
           .sums = tensor.sums,
           .sum_count = counts ? 1 : rule.sum_count,
           .global_sums = rule.global_sums,
           .hyper = group.hyper.data(),
           .step = {tensor.steps + 1, group.lr, tensor.scalars, decoupled ? group.weight_decay : 0,
                    tensor.sums, tensor.size, tensor.written()},
           .preprocess = preprocess,
           .dtype = tensor.dtype,
           .first_span = 0,
           .span_count = 0,
           .elements = 0,
           .fused = fused.any() ? &fused_options_of(i) : nullptr,
           .quantize_kernels = &quantize_kernels[isa_],
           .fused_kernels = &fused_kernels[isa_],
           .rule = &rule,
           .tensor = &tensor,
           .grad = grads[i],
           .state_count = rule.state_count,
           .key = rounding_key(fused.seed, tensor.steps, i),
           .rows = rows});
    }
    plan_.add(tensor, grads[i], rule.state_count);
    before = alone ? nullptr : &tensor;
  }
}

StepInfo Optimizer::step(const void* const* grads, double grad_scale) {
  if (evaluating())
    throw std::runtime_error("the optimizer is in eval mode; call train() before the next step");
  if (!std::isfinite(grad_scale))
    throw std::invalid_argument("grad_scale must be finite, got " + text(grad_scale));
  check_counts(grads);
  if (options_.fused.zero_grads) check_apart(grads);
  StepInfo info;
  info.measured = options_.clip_norm > 0 || options_.skip_nonfinite;
  double scale = grad_scale;
  if (info.measured) {
    info.grad_norm = norm(grads) * std::fabs(grad_scale);
    scale *= clip_factor(info.grad_norm);
    // No element is larger than the norm. Only a large norm needs a check of all elements.
    const bool surely_finite = info.grad_norm <= first_variant_->gradient_range.high;
    info.skipped = options_.skip_nonfinite && !surely_finite && !all_finite(grads, scale);
  }
  if (!info.skipped) {
    // Everything is allocated before anything is written. The second plan, after the first step of
    // tensors began, needs no more memory.
    plan_.reserve(tensors_.size());
    plan(grads, scale);
    // FloatEnvironment is set inside of teams only, because new threads inherit the environment.
    const Team team(plan_.work(), options_.threads);
    plan_.prepare(team.threads());
    if (begin_tensors(grads)) {
      plan(grads, scale);
      plan_.prepare(team.threads());
    }
    plan_.execute();
    finish(grads);
  } else if (options_.fused.zero_grads) {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (grads[i] != nullptr && tensors_[i].size > 0)
        std::memset(const_cast<void*>(grads[i]), 0,
                    tensors_[i].size * item_size(tensors_[i].dtype));
  }
  info.step = steps_;
  return info;
}

void Optimizer::check_counts(const void* const* grads) const {
  const auto refuse = [](const std::string& what, std::int64_t steps) {
    throw std::runtime_error(what +
                             ": expected a count below 2^53, after which there is no step, " +
                             "got " + std::to_string(steps));
  };
  if (steps_ >= max_steps) refuse("the number of steps", steps_);
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (const std::int64_t steps = tensors_[i].steps;
        grads[i] != nullptr && (steps < 0 || steps >= max_steps))
      refuse("the step count of parameter " + std::to_string(i), steps);
}

double Optimizer::clip_factor(double norm) const {
  const FloatEnvironment environment;
  // As in torch.nn.utils.clip_grad_norm_, the constant keeps the quotient finite.
  const double ratio = options_.clip_norm / (norm + 1e-6);
  return options_.clip_norm == 0 || ratio >= 1 ? 1 : ratio;
}

bool Optimizer::all_finite(const void* const* grads, double scale) const {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (grads[i] == nullptr) continue;
    const ArrayView values = values_of(grads, i);
    const Team team(values.size, options_.threads);
    const double max = max_magnitude({values}, isa_, team.threads());
    const double limit =
        tensors_[i].dtype == DType::float64 ? DBL_MAX : first_variant_->gradient_range.high;
    if (!(max * std::fabs(scale) <= limit)) return false;
  }
  return true;
}

void Optimizer::finish(const void* const* grads) {
  const FloatEnvironment environment;
  const Tensor* first = nullptr;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (grads[i] == nullptr) continue;
    Tensor& tensor = tensors_[i];
    const Group& group = groups_[tensor.group];
    ++tensor.steps;
    const bool decoupled = group.decoupled_weight_decay != 0;
    group.rule->advance(group.hyper.data(),
                        {tensor.steps, group.lr, tensor.scalars, decoupled ? group.weight_decay : 0,
                         tensor.sums, tensor.size},
                        tensor.scalars);
    if (first == nullptr) first = &tensor;
  }
  if (first != nullptr && first_variant_->global_sums)
    for (Tensor& tensor : tensors_) std::copy_n(first->scalars, max_scalars, tensor.scalars);
  ++steps_;
}

void Optimizer::update_hessian(const void* const* estimates) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (estimates[i] == nullptr) continue;
    const Tensor& tensor = tensors_[i];
    const Group& group = groups_[tensor.group];
    Span span{tensor.param, estimates[i], {}, tensor.size};
    std::copy_n(tensor.state, max_states, span.state);
    each_part(span, tensor.dtype, options_.threads, [&](const Span& part) {
      group.rule->update_hessian[int(tensor.dtype)](group.hyper.data(), part);
    });
  }
}

/// The tensors whose rule has an eval mode.
std::vector<Tensor*> Optimizer::averaged() {
  std::vector<Tensor*> result;
  for (Tensor& tensor : tensors_)
    if (groups_[tensor.group].rule->eval_params[0] != nullptr &&
        (tensor.steps > 0 || keeps_copy(tensor)))
      result.push_back(&tensor);
  return result;
}

void Optimizer::set_evaluating(bool evaluating) {
  if (evaluating == this->evaluating()) return;
  std::size_t bytes = 0;
  const std::vector<Tensor*> tensors = averaged();
  for (const Tensor* tensor : tensors) bytes += tensor->size * item_size(tensor->dtype);
  if (evaluating) train_params_ = std::make_unique<Arena>(bytes);
  std::byte* kept = train_params_->data();
  for (const Tensor* tensor : tensors) {
    const Group& group = groups_[tensor->group];
    Span span{tensor->param, kept, {}, tensor->size};
    std::copy_n(tensor->state, max_states, span.state);
    each_part(span, tensor->dtype, options_.threads, [&](const Span& part) {
      const std::size_t size = part.size * item_size(tensor->dtype);
      if (evaluating) {
        std::memcpy(const_cast<void*>(part.grad), part.param, size);
        group.rule->eval_params[int(tensor->dtype)](group.hyper.data(), part);
      } else {
        std::memcpy(part.param, part.grad, size);
      }
    });
    kept += tensor->size * item_size(tensor->dtype);
  }
  if (!evaluating) train_params_.reset();
  round_copies();
}

}  // namespace pyoptim
