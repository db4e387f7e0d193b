#include "optim/fused_options.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "optim/optimizer.hpp"
#include "optim/plan.hpp"

namespace pyoptim {

PYOPTIM_PER_ISA(QuantizeKernels, quantize_kernels);
PYOPTIM_PER_ISA(FusedKernels, fused_kernels);
namespace {

constexpr std::size_t update_block =
    1024;  // a multiple of scale_block that fits the first-level cache
static_assert(update_block % scale_block == 0 && sum_block % scale_block == 0);

enum class Part : std::uint8_t { states, param = max_states, grad, before, count };

constexpr std::size_t max_spans = max_fused_size / update_block;

/// The memory of a thread: an array for each part of a block, then the spans of the blocks.
class Scratch {
 public:
  Scratch(std::byte* memory, std::size_t block)
      : memory_(memory), stride_(block * sizeof(double) + 576) {}

  [[nodiscard]] static constexpr std::size_t size(std::size_t block) {
    return (block * sizeof(double) + 576) * std::size_t(Part::count) +
           max_spans * (sizeof(Span) + sizeof(QuantizedSpans::Scales) + sizeof(std::size_t));
  }

  [[nodiscard]] void* at(std::size_t part) const { return memory_ + part * stride_; }
  [[nodiscard]] void* at(Part part) const { return at(std::size_t(part)); }
  [[nodiscard]] Span* spans() const { return static_cast<Span*>(at(Part::count)); }
  [[nodiscard]] QuantizedSpans::Scales* scales() const {
    return reinterpret_cast<QuantizedSpans::Scales*>(spans() + max_spans);
  }
  [[nodiscard]] std::size_t* firsts() const {
    return reinterpret_cast<std::size_t*>(scales() + max_spans);
  }

 private:
  std::byte* memory_;
  std::size_t stride_;
};

/// The update of a stretch of a tensor, block by block.
class FusedUpdate {
 public:
  FusedUpdate(const Run& run, std::size_t begin, std::size_t end, std::size_t block,
              std::byte* memory)
      : run_(run),
        options_(*run.fused),
        quantize_kernels_(*run.quantize_kernels),
        fused_kernels_(*run.fused_kernels),
        tensor_(*run.tensor),
        master_(master_of(run.dtype, options_)),
        dtype_(updated_as(run.dtype, options_)),
        begin_(begin),
        end_(end),
        block_(block),
        scratch_(memory, block),
        spans_(scratch_.spans()),
        scales_(scratch_.scales()),
        firsts_(scratch_.firsts()) {
    widened_ = dtype_ != run.dtype;
    direction_ = {run.preprocess.scale < 0 ? -1.0 : 1.0, run.preprocess.keep, 1};
    for (std::size_t k = 0; k < run.state_count; ++k)
      formats_[k] = format_of(*run.rule, k, options_);
  }

  void update() {
    const double agreeing_fraction = run_.sums[0] / double(tensor_.size);
    if (options_.modifier == Modifier::cautious)
      direction_.factor = 1 / std::max(agreeing_fraction, 1e-3);
    const QuantizedUpdate update_quantized = quantized_update();
    quantized_ = update_quantized != nullptr;
    if (quantized_ && !works_in_blocks()) block_ = end_ - begin_;
    make_spans(false);
    const SpanHooks hooks{this, [](void* self, std::size_t i) { of(self).before(i); },
                          [](void* self, std::size_t i) { of(self).after(i); }};
    if (quantized_)
      update_quantized(run_.hyper, run_.step, run_.preprocess,
                       {spans_, scales_, firsts_, count_, rounding(0)}, hooks);
    else
      run_.update(run_.hyper, run_.step, run_.preprocess, spans_, count_, &hooks);
  }

  void measure(double* sums) {
    make_spans(false);
    for (std::size_t i = 0; i < count_; ++i, sums += run_.sum_count) {
      before(i);
      run_.measure(run_.hyper, run_.step, run_.preprocess, spans_[i], block_, sums);
      encode_states(i, run_.rule->changed_by_measure);
    }
  }

  /// Counts, for each block of sums, the elements that an update would move against their gradient.
  void count_agreeing(double* sums) {
    make_spans(true);
    sums_ = sums;
    const SpanHooks hooks{this, [](void* self, std::size_t i) { of(self).before(i); },
                          [](void* self, std::size_t i) { of(self).count(i); }};
    run_.update(run_.hyper, run_.step, run_.preprocess, spans_, count_, &hooks);
  }

 private:
  /// The kernel that updates quantized states directly, or nullptr.
  [[nodiscard]] QuantizedUpdate quantized_update() const {
    const bool general = run_.preprocess.l2 != 0 || run_.preprocess.rest != 1;
    return dtype_ != DType::float32
               ? nullptr
               : run_.rule->quantized[int(options_.format)][options_.stochastic ? 1 : 0]
                                     [general ? 1 : 0];
  }
  /// Whether an option profits from blocks that stay in cache.
  [[nodiscard]] bool works_in_blocks() const {
    return widened_ || options_.modifier != Modifier::none || options_.ema_decay > 0 ||
           options_.bfloat16_copy || options_.zero_grads;
  }
  [[nodiscard]] Rounding rounding(std::size_t state) const {
    return {options_.stochastic, run_.key + std::uint32_t(state) * next_key};
  }

  static FusedUpdate& of(void* self) { return *static_cast<FusedUpdate*>(self); }

  [[nodiscard]] std::size_t first(std::size_t i) const { return begin_ + i * block_; }

  template <class Pointer>
  [[nodiscard]] static std::byte* offset(Pointer* pointer, std::size_t bytes) {
    return static_cast<std::byte*>(const_cast<void*>(static_cast<const void*>(pointer))) + bytes;
  }
  [[nodiscard]] void* param(std::size_t i) const {
    return offset(tensor_.param, first(i) * item_size(run_.dtype));
  }
  [[nodiscard]] void* grad(std::size_t i) const {
    return offset(run_.grad, first(i) * item_size(run_.dtype));
  }
  [[nodiscard]] void* quantized(std::size_t i, std::size_t state) const {
    return offset(tensor_.state[state],
                  first(i) * (formats_[state] == StateFormat::full ? item_size(state_dtype(dtype_))
                              : formats_[state] == StateFormat::bfloat16 ? 2
                                                                         : 1));
  }
  [[nodiscard]] float* scales(std::size_t i, std::size_t state) const {
    return formats_[state] == StateFormat::float8
               ? tensor_.fused.scales[state] + first(i) / scale_block
               : nullptr;
  }

  /// Makes one span for each block. It points into the tensor itself where nothing has to be
  /// decoded, but never in a trial.
  void make_spans(bool trial) {
    trial_ = trial;
    count_ = 0;
    for (std::size_t i = 0; first(i) < end_; ++i) {
      Span span{param(i), grad(i), {}, std::min(block_, end_ - first(i))};
      if (widened_) span.grad = scratch_.at(Part::grad);
      if (master_ == Master::full)
        span.param = tensor_.fused.master + first(i);
      else if (widened_)
        span.param = scratch_.at(Part::param);
      if (trial) span.param = scratch_.at(Part::param);
      for (std::size_t k = 0; k < run_.state_count; ++k)
        span.state[k] = is_decoded(k) || trial ? scratch_.at(k) : quantized(i, k);
      spans_[count_++] = span;
      if (!quantized_) continue;
      firsts_[i] = first(i);
      for (std::size_t k = 0; k < run_.state_count; ++k) scales_[i].of[k] = scales(i, k);
    }
  }

  /// Whether a state is decoded before the update and encoded after it.
  [[nodiscard]] bool is_decoded(std::size_t state) const {
    return formats_[state] != StateFormat::full && !quantized_;
  }

  void before(std::size_t i) {
    const Span& span = spans_[i];
    for (std::size_t k = 0; k < run_.state_count; ++k) {
      if (is_decoded(k))
        quantize_kernels_.decode[int(formats_[k])](quantized(i, k), scales(i, k),
                                                   static_cast<float*>(span.state[k]), span.size);
      else if (trial_)
        std::memcpy(span.state[k], quantized(i, k), span.size * item_size(state_dtype(dtype_)));
    }
    if (master_ == Master::full)  // the caller may have written the parameters since
      quantize_kernels_.refresh(param(i), tensor_.fused.master + first(i), span.size);
    auto* const values = static_cast<float*>(span.param);
    if (master_ == Master::low_half)
      quantize_kernels_.join(param(i), tensor_.fused.low_half + first(i), values, span.size);
    else if (widened_ && master_ == Master::none)
      quantize_kernels_.decode[int(StateFormat::bfloat16)](param(i), nullptr, values, span.size);
    else if (trial_)
      std::memcpy(span.param, master_ == Master::full ? tensor_.fused.master + first(i) : param(i),
                  span.size * item_size(dtype_));
    if (widened_)
      quantize_kernels_.decode[int(StateFormat::bfloat16)](
          grad(i), nullptr, static_cast<float*>(scratch_.at(Part::grad)), span.size);
    if (options_.modifier != Modifier::none)
      std::memcpy(scratch_.at(Part::before), span.param, span.size * item_size(dtype_));
  }

  void count(std::size_t i) {
    const Span& span = spans_[i];
    sums_[first(i) / sum_block - begin_ / sum_block] += fused_kernels_.agreeing[int(dtype_)](
        span.param, scratch_.at(Part::before), span.grad, direction_, span.size);
  }

  void after(std::size_t i) {
    const Span& span = spans_[i];
    if (options_.modifier != Modifier::none) {
      const auto& change =
          options_.modifier == Modifier::cautious ? fused_kernels_.cautious : fused_kernels_.grams;
      change[int(dtype_)](span.param, scratch_.at(Part::before), span.grad, direction_, span.size);
    }
    encode_states(i, run_.rule->changed_by_update);
    const auto* const values = static_cast<const float*>(span.param);
    const auto to_bfloat16 = quantize_kernels_.encode[int(StateFormat::bfloat16)][0];
    if (master_ == Master::low_half)
      quantize_kernels_.split(values, param(i), tensor_.fused.low_half + first(i), span.size);
    else if (widened_)
      to_bfloat16(values, param(i), nullptr, span.size, 0, 0);
    if (options_.ema_decay > 0) {
      // The EMA starts with the parameters after the first step, unless the caller has written it.
      const bool starts = run_.step.count == 1 && (run_.step.written >> max_states) == 0;
      const double decay = starts ? 0 : options_.ema_decay;
      fused_kernels_.average[int(dtype_)](
          span.param, offset(tensor_.fused.ema, first(i) * item_size(state_dtype(dtype_))), decay,
          span.size);
    }
    if (options_.bfloat16_copy)
      to_bfloat16(values, tensor_.fused.copy + first(i), nullptr, span.size, 0, 0);
    if (options_.zero_grads) std::memset(grad(i), 0, span.size * item_size(run_.dtype));
  }

  void encode_states(std::size_t i, unsigned changed) {
    for (std::size_t k = 0; k < run_.state_count; ++k)
      if (is_decoded(k) && ((changed >> k) & 1U) != 0)
        quantize_kernels_.encode[int(formats_[k])][options_.stochastic ? 1 : 0](
            static_cast<const float*>(spans_[i].state[k]), quantized(i, k), scales(i, k),
            spans_[i].size, first(i), rounding(k).key);
  }

  const Run& run_;
  const FusedOptions& options_;
  const QuantizeKernels& quantize_kernels_;
  const FusedKernels& fused_kernels_;
  const Tensor& tensor_;
  Master master_;
  DType dtype_;
  std::size_t begin_, end_, block_;
  Scratch scratch_;
  bool widened_ = false;
  bool trial_ = false;
  Direction direction_;
  StateFormat formats_[max_states] = {};
  bool quantized_ = false;  // whether the kernel takes quantized states
  Span* spans_;
  QuantizedSpans::Scales* scales_;
  std::size_t* firsts_;
  std::size_t count_ = 0;
  double* sums_ = nullptr;
};

}  // namespace

DType updated_as(DType dtype, const FusedOptions& fused) {
  const bool widened = fused.master != Master::none || fused.modifier != Modifier::none;
  return dtype == DType::bfloat16 && widened ? DType::float32 : dtype;
}

StateFormat format_of(const RuleInfo& rule, std::size_t state, const FusedOptions& fused) {
  const bool whole = state == rule.copied_state || state == rule.hessian_state;
  return whole ? StateFormat::full : fused.format;
}

std::size_t fused_memory(bool measures) {
  return Scratch::size(measures ? sum_block : update_block);
}

void measure_fused(const Run& run, std::size_t begin, std::size_t end, double* sums,
                   std::byte* memory) {
  if (run.fused->modifier == Modifier::cautious) {
    std::fill_n(sums, (end - begin + sum_block - 1) / sum_block, 0.0);
    FusedUpdate(run, begin, end, update_block, memory).count_agreeing(sums);
  } else {
    FusedUpdate(run, begin, end, sum_block, memory).measure(sums);
  }
}

void update_fused(const Run& run, std::size_t begin, std::size_t end, std::byte* memory) {
  FusedUpdate(run, begin, end, update_block, memory).update();
}

}  // namespace pyoptim
