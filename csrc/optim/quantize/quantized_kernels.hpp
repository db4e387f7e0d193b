// Updates with quantized states, which are decoded, updated and encoded in one loop, sixteen
// elements at a time, so that decoded states are never written to memory.
#pragma once

#include "optim/quantize/groups.hpp"

#if PYOPTIM_GROUPS

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "optim/preprocess.hpp"
#include "optim/quantize/encoding.hpp"
#include "optim/quantize/float8.hpp"
#include "rules/kernel_table.hpp"
#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

using Values = float[lanes];

/// One state of a stretch of elements: the quantized values and, for float8, the scales and scratch
/// memory for two blocks. `first` is the number of the first element in its tensor.
struct StatePart {
  void* quantized;
  float* scales;
  float* scratch;
  std::size_t first;
  Rounding rounding;
};

/// A state that is not quantized. All state classes have the same functions: `begin` a block with a
/// common scale, `read` and `write` sixteen elements starting at i, `end` the block, and `finish`
/// all blocks.
class WholeState {
 public:
  using Code = float;

  explicit WholeState(const StatePart& part) : values_(static_cast<float*>(part.quantized)) {}

  void begin(std::size_t /*begin*/) {}
  void read(std::size_t i, Values& to) const { __builtin_memcpy(to, values_ + i, sizeof to); }
  void write(std::size_t i, const Values& from) {
    __builtin_memcpy(values_ + i, from, sizeof from);
  }
  void end(std::size_t /*begin*/, std::size_t /*size*/) {}
  void finish() {}

 private:
  float* values_;
};

template <bool Stochastic>
class Bfloat16State {
 public:
  using Code = std::uint16_t;

  explicit Bfloat16State(const StatePart& part)
      : quantized_(static_cast<Code*>(part.quantized)),
        thresholds_(Thresholds(part.first, part.rounding.key)) {}

  void begin(std::size_t /*begin*/) {}
  void read(std::size_t i, Values& to) const {
    Group group;
    widen(quantized_ + i, group);
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j)
      to[j] = __builtin_bit_cast(float, static_cast<std::uint32_t>(group[j]) << 16);
  }
  void write(std::size_t i, const Values& from) {
    Group group;
    const auto threshold = thresholds_.next();
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j)
      group[j] = static_cast<std::int32_t>(to_bfloat16<Stochastic>(from[j], threshold.item[j]));
    narrow(group, quantized_ + i);
  }
  void end(std::size_t /*begin*/, std::size_t /*size*/) {}
  void finish() {}

 private:
  Code* quantized_;
  GroupThresholds thresholds_;
};

/// The scale of a block is known at its end only, so its values are in scratch memory until then.
/// They are encoded after the next block's update, which hides the latency of the scale.
class Float8State {
 public:
  using Code = std::uint8_t;

  explicit Float8State(const StatePart& part)
      : quantized_(static_cast<Code*>(part.quantized)),
        scales_(part.scales),
        scratch_(part.scratch),
        first_(part.first),
        rounding_(part.rounding) {}

  void begin(std::size_t begin) {
    block_ = Float8(scales_[begin / scale_block]);
    extent_ = Extent();
  }
  void read(std::size_t i, Values& to) const {
    Group group;
    widen(quantized_ + i, group);
#pragma omp simd
    for (std::size_t j = 0; j < lanes; ++j) to[j] = block_.decode(group[j]);
  }
  void write(std::size_t i, const Values& from) {
    extent_.add(from);
    __builtin_memcpy(values_at(i), from, sizeof from);
  }
  void end(std::size_t begin, std::size_t size) {
    const float scale = extent_.scale();
    encode_waiting();
    scales_[begin / scale_block] = waiting_scale_ = scale;
    waiting_ = begin;
    waiting_size_ = size;
  }
  void finish() { encode_waiting(); }

 private:
  [[nodiscard]] float* values_at(std::size_t i) const { return scratch_ + i % (2 * scale_block); }
  void encode_waiting() {
    encode_block(values_at(waiting_), waiting_scale_, quantized_ + waiting_, waiting_size_,
                 first_ + waiting_, rounding_);
  }

  Code* quantized_;
  float* scales_;
  float* scratch_;
  std::size_t first_;
  Rounding rounding_;
  Float8 block_{0.0F};
  Extent extent_;
  float waiting_scale_ = 0;
  std::size_t waiting_ = 0;
  std::size_t waiting_size_ = 0;
};

template <class R, std::size_t K>
consteval bool is_whole() {
  bool whole = false;
  if constexpr (requires { R::copied_state; }) whole = whole || R::copied_state == K;
  if constexpr (requires { R::hessian_state; }) whole = whole || R::hessian_state == K;
  return whole;
}

/// The class of state K of a rule with quantized states.
template <class R, std::size_t K, class Quantized>
using StateOf = std::conditional_t<is_whole<R, K>(), WholeState, Quantized>;

/// The last elements of a tensor, which are not a multiple of sixteen, padded with copies of the
/// last one. The padding does not influence the results of the others.
struct PaddedEnd {
  float param[scale_block];
  float grad[scale_block];
  alignas(64) std::byte state[max_states][scale_block * sizeof(float)];

  template <class T>
  static void copy_in(const void* from, std::size_t begin, std::size_t size, void* to) {
    const T* const source = static_cast<const T*>(from) + begin;
    for (std::size_t i = 0; i < scale_block; ++i)
      static_cast<T*>(to)[i] = source[i < size ? i : size - 1];
  }
  template <class T>
  static void copy_out(const void* from, std::size_t begin, std::size_t size, void* to) {
    __builtin_memcpy(static_cast<T*>(to) + begin, from, size * sizeof(T));
  }
};

/// Updates a multiple of sixteen elements. Arguments are passed by value and nothing else is in
/// this function, so that everything is kept in registers.
template <class Update, class Shape, class... State, std::size_t... K>
[[gnu::noinline]] void update_blocks(const Update update, const Shape shape, float* p,
                                     const float* g, std::size_t size,
                                     std::index_sequence<K...> states, State... state) {
  for (std::size_t begin = 0; begin < size; begin += scale_block) {
    const std::size_t end = size - begin < scale_block ? size : begin + scale_block;
    (state.begin(begin), ...);
    for (std::size_t i = begin; i < end; i += lanes) {
      Values before[sizeof...(K)], after[sizeof...(K)];
      (state.read(i, before[K]), ...);
#pragma omp simd
      for (std::size_t j = 0; j < lanes; ++j) {
        float param = p[i + j], grad = g[i + j];
        float local[] = {before[K][j]...};
        shape(param, grad);
        update(param, grad, local[K]...);
        p[i + j] = param;
        ((after[K][j] = local[K]), ...);
      }
      ((changes<K, float, Update>(states) ? state.write(i, after[K]) : void()), ...);
    }
    ((changes<K, float, Update>(states) ? state.end(begin, end - begin) : void()), ...);
  }
  (state.finish(), ...);
}

template <class R, class Quantized, bool General, std::size_t... K>
void update_quantized_spans(const R& rule, const Step& step, const Preprocess& preprocess,
                            const QuantizedSpans& quantized, const SpanHooks& hooks,
                            std::index_sequence<K...> states) {
  const auto update = rule.template step<float>(step);
  const Preprocessor<float, General> shape(preprocess);
  // Values of two blocks, plus some room, so that states differ in their addresses modulo 4096.
  constexpr std::size_t skewed = 2 * scale_block + 5 * lanes;
  alignas(64) float scratch[sizeof...(K) * skewed];

  for (std::size_t s = 0; s < quantized.count; ++s) {
    hooks.before(hooks.context, s);
    const Span& span = quantized.spans[s];
    const std::size_t left = span.size % lanes == 0 ? 0 : span.size % scale_block;
    const std::size_t whole = span.size - left;
    PaddedEnd end;
    Span part = span;
    part.size = whole;
    std::size_t first = 0;
    const auto at = [&](std::size_t state) {
      float* const scales = quantized.scales[s].of[state];
      return StatePart{part.state[state], scales == nullptr ? scales : scales + first / scale_block,
                       scratch + state * skewed, quantized.first[s] + first,
                       Rounding{quantized.rounding.stochastic,
                                quantized.rounding.key + std::uint32_t(state) * next_key}};
    };
    for (bool last = false;; last = true) {
      update_blocks(update, shape, static_cast<float*>(part.param),
                    static_cast<const float*>(part.grad), part.size, states,
                    StateOf<R, K, Quantized>(at(K))...);
      if (last || left == 0) break;
      PaddedEnd::copy_in<float>(span.param, whole, left, end.param);
      PaddedEnd::copy_in<float>(span.grad, whole, left, end.grad);
      (PaddedEnd::copy_in<typename StateOf<R, K, Quantized>::Code>(span.state[K], whole, left,
                                                                   end.state[K]),
       ...);
      part = {end.param, end.grad, {end.state[K]...}, left + lanes - left % lanes};
      first = whole;
    }
    if (left > 0) {
      PaddedEnd::copy_out<float>(end.param, whole, left, span.param);
      (PaddedEnd::copy_out<typename StateOf<R, K, Quantized>::Code>(end.state[K], whole, left,
                                                                    span.state[K]),
       ...);
    }
    hooks.after(hooks.context, s);
  }
}

template <class R, class Quantized, bool General>
void update_quantized(const double* hyper, const Step& step, const Preprocess& preprocess,
                      const QuantizedSpans& quantized, const SpanHooks& hooks) {
  update_quantized_spans<R, Quantized, General>(from_values<R>(hyper), step, preprocess, quantized,
                                                hooks, std::make_index_sequence<R::states.size>());
}

}  // namespace pyoptim::PYOPTIM_ISA

#endif
