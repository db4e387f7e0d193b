// The states of an optimizer: which arrays there are, where they are, and how they are initialized.
#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/threads.hpp"
#include "core/xxh64.hpp"
#include "optim/factored/factored.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim {
namespace {

/// Copies the parameters to an array in the dtype of arithmetic.
void copy_parameters(const Tensor& tensor, void* to) {
  if (tensor.dtype != DType::bfloat16) {
    if (tensor.size > 0) std::memcpy(to, tensor.param, tensor.size * item_size(tensor.dtype));
    return;
  }
  const auto* const from = static_cast<const std::uint16_t*>(tensor.param);
  for (std::size_t i = 0; i < tensor.size; ++i)
    static_cast<float*>(to)[i] = std::bit_cast<float>(std::uint32_t{from[i]} << 16);
}

/// Whether an array in the dtype of arithmetic equals the parameters.
bool is_copy(const Tensor& tensor, const void* array) {
  if (tensor.dtype != DType::bfloat16)
    return tensor.size == 0 ||
           std::memcmp(array, tensor.param, tensor.size * item_size(tensor.dtype)) == 0;
  const auto* const values = static_cast<const std::uint32_t*>(array);
  const auto* const params = static_cast<const std::uint16_t*>(tensor.param);
  return std::equal(values, values + tensor.size, params,
                    [](std::uint32_t a, std::uint16_t b) { return a == std::uint32_t{b} << 16; });
}

/// The checksum of an array in the dtype of arithmetic.
std::uint64_t checksum_of(const Tensor& tensor, const void* array) {
  return xxh64(array, tensor.size * item_size(state_dtype(tensor.dtype)));
}

/// A state with the same value for all elements, in its format.
class Constant {
 public:
  Constant(Isa isa, const RuleInfo& rule, std::size_t state, const Tensor& tensor,
           const FusedOptions& fused, double value)
      : data_(tensor.state[state]), size_(state_size(rule, state, tensor)) {
    const StateFormat format =
        rule.factored != nullptr ? StateFormat::full : format_of(rule, state, fused);
    const auto number = float(value);
    if (format != StateFormat::full) {
      item_ = format == StateFormat::float8 ? 1 : 2;
      quantize_kernels[isa].encode[int(format)][0](&number, &code_, &scale_, 1, 0, 0);
    } else if (tensor.dtype == DType::float64) {
      item_ = sizeof value;
      std::memcpy(&code_, &value, sizeof value);
    } else {
      item_ = sizeof number;
      std::memcpy(&code_, &number, sizeof number);
    }
    if (format == StateFormat::float8) scales_ = tensor.fused.scales[state];
  }

  void fill() const {
    with_items([](auto* items, std::size_t size, auto code) { std::fill_n(items, size, code); });
    if (scales_ != nullptr) std::fill_n(scales_, scale_count(), scale_);
  }
  [[nodiscard]] bool fills() const {
    bool all = scales_ == nullptr || std::count(scales_, scales_ + scale_count(), scale_) ==
                                         std::ptrdiff_t(scale_count());
    with_items([&](const auto* items, std::size_t size, auto code) {
      all = all && std::all_of(items, items + size, [=](auto item) { return item == code; });
    });
    return all;
  }

 private:
  [[nodiscard]] std::size_t scale_count() const { return (size_ + scale_block - 1) / scale_block; }
  template <class Work>
  void with_items(const Work& work) const {
    const auto run = [&](auto code) {
      std::memcpy(&code, &code_, sizeof code);
      work(static_cast<decltype(code)*>(data_), size_, code);
    };
    if (item_ == 1) run(std::uint8_t{});
    if (item_ == 2) run(std::uint16_t{});
    if (item_ == 4) run(std::uint32_t{});
    if (item_ == 8) run(std::uint64_t{});
  }

  void* data_;
  std::size_t size_;
  std::size_t item_ = 0;
  std::uint64_t code_ = 0;
  float* scales_ = nullptr;
  float scale_ = 0;
};

}  // namespace

std::vector<StoredArray> Optimizer::stored(std::size_t index) const {
  const Tensor& tensor = tensors_[index];
  const RuleInfo& rule = *groups_[tensor.group].rule;
  const StoredType full =
      tensor.dtype == DType::float64 ? StoredType::float64 : StoredType::float32;
  constexpr StoredType types[] = {StoredType::float32, StoredType::bfloat16, StoredType::uint8};
  std::vector<StoredArray> arrays;
  const auto add = [&](const std::string& name, void* data, StoredType type) {
    arrays.push_back({name, data, type, tensor.size, true});
  };
  for (std::size_t k = 0; k < rule.state_count && rule.factored != nullptr; ++k)
    if (keeps_state(rule, k, tensor.matrices))
      arrays.push_back({state_name(rule, k, tensor.matrices), tensor.state[k], full,
                        state_size(rule, k, tensor), false, state_shape(rule, k, shapes_[index])});
  if (rule.factored != nullptr) return arrays;
  for (std::size_t k = 0; k < rule.state_count; ++k) {
    const StateFormat format = format_of(rule, k, options_.fused);
    add(rule.states[k], tensor.state[k], format == StateFormat::full ? full : types[int(format)]);
    const std::size_t scales = (tensor.size + scale_block - 1) / scale_block;
    if (format == StateFormat::float8)
      arrays.push_back({std::string(rule.states[k]) + "_scale",
                        tensor.fused.scales[k],
                        StoredType::float32,
                        scales,
                        false,
                        {scales}});
  }
  if (options_.fused.ema_decay > 0) add("ema", tensor.fused.ema, full);
  if (options_.fused.bfloat16_copy) add("bfloat16_copy", tensor.fused.copy, StoredType::bfloat16);
  const Master master = master_of(tensor.dtype, options_.fused);
  if (master == Master::full) add("master", tensor.fused.master, StoredType::float32);
  if (master == Master::low_half) add("low_half", tensor.fused.low_half, StoredType::uint16);
  return arrays;
}

void Optimizer::allocate_one_by_one(const std::vector<GroupSpec>& specs) {
  Layout layout;
  std::vector<std::size_t> offsets;
  std::size_t index = 0;
  for (const GroupSpec& group : specs)
    for (const TensorSpec& spec : group.tensors) {
      layout.next_loop();
      layout.add_neighbour(reinterpret_cast<std::uintptr_t>(spec.data));
      if (spec.grad != nullptr) layout.add_neighbour(reinterpret_cast<std::uintptr_t>(spec.grad));
      for (const StoredArray& array : stored(index++))
        offsets.push_back(layout.place(array.size * item_size(array.type)));
    }
  memory_ = std::make_shared<Arena>(layout.size());
  auto next = offsets.begin();
  const auto take = [&]() -> void* { return memory_->data() + *next++; };
  for (Tensor& tensor : tensors_) {
    const RuleInfo& rule = *groups_[tensor.group].rule;
    if (rule.factored != nullptr) {
      for (std::size_t k = 0; k < rule.state_count; ++k)
        if (keeps_state(rule, k, tensor.matrices)) tensor.state[k] = take();
      continue;
    }
    const FusedOptions& fused = options_.fused;
    for (std::size_t k = 0; k < rule.state_count; ++k) {
      tensor.state[k] = take();
      if (format_of(rule, k, fused) == StateFormat::float8)
        tensor.fused.scales[k] = static_cast<float*>(take());
    }
    if (fused.ema_decay > 0) tensor.fused.ema = take();
    if (fused.bfloat16_copy) tensor.fused.copy = static_cast<std::uint16_t*>(take());
    const Master master = master_of(tensor.dtype, fused);
    if (master == Master::full) tensor.fused.master = static_cast<float*>(take());
    if (master == Master::low_half) tensor.fused.low_half = static_cast<std::uint16_t*>(take());
  }
}

void Optimizer::allocate_states(const std::vector<GroupSpec>& specs) {
  std::vector<const void*> grads;
  for (const GroupSpec& group : specs)
    for (const TensorSpec& tensor : group.tensors) grads.push_back(tensor.grad);
  Layout layout;
  struct Place {
    std::size_t tensor;
    std::size_t state;
    std::size_t offset;
  };
  std::vector<Place> places;
  for (std::size_t first = 0; first < tensors_.size();) {
    // Contiguous parameters get contiguous states.
    std::size_t last = first + 1, elements = tensors_[first].size;
    const Tensor& head = tensors_[first];
    const std::size_t item = item_size(head.dtype), state_item = item_size(state_dtype(head.dtype));
    while (last < tensors_.size() && tensors_[last].group == head.group &&
           tensors_[last].dtype == head.dtype &&
           tensors_[last].param == static_cast<std::byte*>(head.param) + elements * item)
      elements += tensors_[last++].size;
    layout.next_loop();
    layout.add_neighbour(reinterpret_cast<std::uintptr_t>(head.param));
    if (grads[first] != nullptr)
      layout.add_neighbour(reinterpret_cast<std::uintptr_t>(grads[first]));
    for (std::size_t k = 0; k < groups_[head.group].rule->state_count; ++k) {
      std::size_t offset = layout.place(elements * state_item);
      for (std::size_t i = first; i < last; offset += tensors_[i++].size * state_item)
        places.push_back({i, k, offset});
    }
    first = last;
  }
  memory_ = std::make_shared<Arena>(layout.size());
  for (const Place& place : places)
    tensors_[place.tensor].state[place.state] = memory_->data() + place.offset;
}

void Optimizer::check_apart(const void* const* grads) const {
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> written;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const auto begin = reinterpret_cast<std::uintptr_t>(grads[i]);
    const std::size_t bytes = tensors_[i].size * item_size(tensors_[i].dtype);
    if (grads[i] != nullptr && bytes > 0) written.emplace_back(begin, begin + bytes);
  }
  std::sort(written.begin(), written.end());
  for (std::size_t i = 1; i < written.size(); ++i)
    if (written[i].first < written[i - 1].second)
      throw std::invalid_argument("zero_grads: two gradients overlap in memory");
}

void Optimizer::begin_fused_arrays() const {
  for (const Tensor& tensor : tensors_)
    if (options_.fused.ema_decay > 0) copy_parameters(tensor, tensor.fused.ema);
  round_copies();
}

const FusedOptions& Optimizer::fused_options_of(std::size_t tensor) const {
  const bool later = std::find(postponed_.begin(), postponed_.end(), tensor) != postponed_.end();
  return later ? without_copies_ : options_.fused;
}

void Optimizer::postpone_copies(std::vector<std::size_t> tensors) {
  postponed_ = std::move(tensors);
  without_copies_ = options_.fused;
  without_copies_.ema_decay = 0;
  without_copies_.bfloat16_copy = false;
}

void Optimizer::update_copies(const std::vector<std::size_t>& tensors) {
  const FusedOptions& fused = options_.fused;
  const QuantizeKernels& quantize = quantize_kernels[isa_];
  const FusedKernels& kernels = fused_kernels[isa_];
  for (const std::size_t index : tensors) {
    const Tensor& tensor = tensors_.at(index);
    const bool starts = tensor.steps == 1 && (tensor.beginning.written >> max_states) == 0;
    const double decay = starts ? 0 : fused.ema_decay;
    const Master master = master_of(tensor.dtype, fused);
    const bool whole = master == Master::full;
    Span span{whole ? tensor.fused.master : tensor.param, tensor.fused.low_half, {}, tensor.size};
    span.state[0] = tensor.fused.ema;
    if (fused.ema_decay > 0 && !evaluating())
      each_part(span, whole ? DType::float32 : tensor.dtype, options_.threads,
                [&](const Span& part) {
                  if (master != Master::low_half) {
                    kernels.average[int(whole ? DType::float32 : tensor.dtype)](
                        part.param, part.state[0], decay, part.size);
                    return;
                  }
                  constexpr std::size_t block = 1024;
                  float values[block];
                  const auto* const high = static_cast<const std::uint16_t*>(part.param);
                  const auto* const low = static_cast<const std::uint16_t*>(part.grad);
                  for (std::size_t at = 0; at < part.size; at += block) {
                    const std::size_t size = std::min(block, part.size - at);
                    quantize.join(high + at, low + at, values, size);
                    kernels.average[int(DType::float32)](
                        values, static_cast<float*>(part.state[0]) + at, decay, size);
                  }
                });
    if (fused.bfloat16_copy)
      quantize.encode[int(StateFormat::bfloat16)][0](static_cast<const float*>(tensor.param),
                                                     tensor.fused.copy, nullptr, tensor.size, 0, 0);
  }
}

void Optimizer::round_copies() const {
  const auto to_bfloat16 = quantize_kernels[isa_].encode[int(StateFormat::bfloat16)][0];
  for (const Tensor& tensor : tensors_)
    if (options_.fused.bfloat16_copy)
      to_bfloat16(static_cast<const float*>(tensor.param), tensor.fused.copy, nullptr, tensor.size,
                  0, 0);
}

unsigned Optimizer::written_states(const Tensor& tensor) const {
  const Beginning& beginning = tensor.beginning;
  if (!beginning.known) return 0;
  const RuleInfo& rule = *groups_[tensor.group].rule;
  unsigned written = 0;
  for (std::size_t k = 0; k < rule.state_count; ++k) {
    if (tensor.state[k] == nullptr) continue;
    const bool same =
        k == rule.copied_state
            ? checksum_of(tensor, tensor.state[k]) == beginning.copy
            : Constant(isa_, rule, k, tensor, options_.fused, beginning.state[k]).fills();
    written |= same ? 0U : 1U << k;
  }
  if (tensor.fused.ema != nullptr && checksum_of(tensor, tensor.fused.ema) != beginning.ema)
    written |= 1U << max_states;
  return written;
}

void Optimizer::begin(Tensor& tensor, bool shown) const {
  if (tensor.steps > 0) return;
  const FloatEnvironment environment;  // for the same rounding as when the states were initialized
  const Group& group = groups_[tensor.group];
  const RuleInfo& rule = *group.rule;
  const FusedOptions& fused = options_.fused;
  Beginning& beginning = tensor.beginning;
  beginning.written = written_states(tensor);
  const auto may_write = [&](std::size_t k) { return ((beginning.written >> k) & 1U) == 0; };
  // Scalars over all parameters are initialized with the first tensor.
  if (!rule.global_sums || steps_ == 0) {
    double scalars[max_scalars] = {};
    rule.initial_scalars(group.hyper.data(), group.lr, scalars);
    for (std::size_t k = 0; k < rule.scalar_count; ++k)
      if (!beginning.known || tensor.scalars[k] == beginning.scalars[k])
        tensor.scalars[k] = beginning.scalars[k] = scalars[k];
  }
  for (std::size_t k = 0; k < rule.state_count; ++k) {
    if (k == rule.copied_state || tensor.state[k] == nullptr || !may_write(k)) continue;
    const double value = rule.initial_state(group.hyper.data(), group.lr, k);
    if (value != beginning.state[k] || (value != 0 && !beginning.known))
      Constant(isa_, rule, k, tensor, fused, value).fill();
    beginning.state[k] = value;
  }
  if (rule.copied_state < rule.state_count && may_write(rule.copied_state)) {
    void* const state = tensor.state[rule.copied_state];
    copy_parameters(tensor, state);
    if (shown) beginning.copy = checksum_of(tensor, state);
  }
  if (tensor.fused.ema != nullptr && shown && may_write(max_states)) {
    copy_parameters(tensor, tensor.fused.ema);
    beginning.ema = checksum_of(tensor, tensor.fused.ema);
  }
  if (tensor.fused.master != nullptr && shown)
    quantize_kernels[isa_].refresh(tensor.param, tensor.fused.master, tensor.size);
  beginning.known = true;
}

bool Optimizer::begin_tensors(const void* const* grads) {
  const FloatEnvironment environment;
  bool begins = false;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (grads[i] == nullptr || tensors_[i].steps > 0) continue;
    begin(tensors_[i], false);
    begins = true;
  }
  return begins;
}

void Optimizer::keep_written(std::size_t index) {
  const FloatEnvironment environment;
  Tensor& tensor = tensors_[index];
  const Group& group = groups_[tensor.group];
  const RuleInfo& rule = *group.rule;
  Beginning& beginning = tensor.beginning;
  beginning.known = true;
  rule.initial_scalars(group.hyper.data(), group.lr, beginning.scalars);
  // If the checksum differs, the state is no longer a copy of the parameters.
  const auto expected = [&](const void* state) {
    return checksum_of(tensor, state) + (is_copy(tensor, state) ? 0 : 1);
  };
  for (std::size_t k = 0; k < rule.state_count; ++k)
    beginning.state[k] = rule.initial_state(group.hyper.data(), group.lr, k);
  if (rule.copied_state < rule.state_count)
    beginning.copy = expected(tensor.state[rule.copied_state]);
  if (tensor.fused.ema != nullptr) beginning.ema = expected(tensor.fused.ema);
}

}  // namespace pyoptim
