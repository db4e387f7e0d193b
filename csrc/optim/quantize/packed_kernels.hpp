// Updates of elements whose states are kept in fewer bits: decoded, updated and encoded in one
// loop, sixteen at a time, so that no state goes through memory on its way.
#pragma once

#include "optim/quantize/groups.hpp"

#if PYOPTIM_GROUPS

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "optim/preprocess.hpp"
#include "optim/quantize/codes.hpp"
#include "optim/quantize/float8.hpp"
#include "rules/kernel_table.hpp"
#include "rules/rule.hpp"

namespace pyoptim::PYOPTIM_ISA {

using Values = float[lanes];

/// Where one state of a stretch of elements is: the codes, and for float8 the scales, and memory
/// for a block of its values. `first` is the number that the stretch begins with in its tensor.
struct StatePart {
  void* codes;
  float* scales;
  float* scratch;
  std::size_t first;
  Rounding rounding;
};

/// A state that is kept as it is computed with. The others have the same functions: `begin` a block
/// that shares a scale, `read` and `write` sixteen elements from i on, `end` the block, and
/// `finish` all of them.
class WholeState {
 public:
  using Code = float;

  explicit WholeState(const StatePart& part) : values_(static_cast<float*>(part.codes)) {}

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
      : codes_(static_cast<Code*>(part.codes)),
        thresholds_(Thresholds(part.first, part.rounding.key)) {}

  void begin(std::size_t /*begin*/) {}
  void read(std::size_t i, Values& to) const {
    Group group;
    widen(codes_ + i, group);
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
    narrow(group, codes_ + i);
  }
  void end(std::size_t /*begin*/, std::size_t /*size*/) {}
  void finish() {}

 private:
  Code* codes_;
  GroupThresholds thresholds_;
};

/// A block's scale is known at its end: until then its values are in the scratch memory. They are
/// encoded after the next block's update, so that nothing waits for the scale.
class Float8State {
 public:
  using Code = std::uint8_t;

  explicit Float8State(const StatePart& part)
      : codes_(static_cast<Code*>(part.codes)),
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
    widen(codes_ + i, group);
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
    encode_block(values_at(waiting_), waiting_scale_, codes_ + waiting_, waiting_size_,
                 first_ + waiting_, rounding_);
  }

  Code* codes_;
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
  if constexpr (requires { R::observed_state; }) whole = whole || R::observed_state == K;
  return whole;
}

/// How state K of a rule is kept, if states are packed so.
template <class R, std::size_t K, class Packed>
using StateOf = std::conditional_t<is_whole<R, K>(), WholeState, Packed>;

/// The last elements of a tensor, fewer than a block and not a multiple of sixteen, as if there
/// were more of the last one: these change nothing of what the others become.
struct PaddedEnd {
  float param[scale_block];
  float grad[scale_block];
  alignas(64) std::byte state[max_states][scale_block * sizeof(float)];

  template <class T>
  static void take(const void* from, std::size_t begin, std::size_t size, void* to) {
    const T* const source = static_cast<const T*>(from) + begin;
    for (std::size_t i = 0; i < scale_block; ++i)
      static_cast<T*>(to)[i] = source[i < size ? i : size - 1];
  }
  template <class T>
  static void give(const void* from, std::size_t begin, std::size_t size, void* to) {
    __builtin_memcpy(static_cast<T*>(to) + begin, from, size * sizeof(T));
  }
};

/// Updates elements, their number a multiple of sixteen. All is given by value, and there is
/// nothing else in this function, so that everything finds a register.
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

template <class R, class Packed, bool General, std::size_t... K>
void update_packed_spans(const R& rule, const Step& step, const Shaping& shaping,
                         const PackedSpans& packed, const SpanHooks& hooks,
                         std::index_sequence<K...> states) {
  const auto update = rule.template step<float>(step);
  const Shaper<float, General> shape(shaping);
  // Values of two blocks, and some room: states are not to be at the same address modulo 4096.
  constexpr std::size_t skewed = 2 * scale_block + 5 * lanes;
  alignas(64) float scratch[sizeof...(K) * skewed];

  for (std::size_t s = 0; s < packed.count; ++s) {
    hooks.before(hooks.context, s);
    const Span& span = packed.spans[s];
    const std::size_t left = span.size % lanes == 0 ? 0 : span.size % scale_block;
    const std::size_t whole = span.size - left;
    PaddedEnd end;
    Span part = span;
    part.size = whole;
    std::size_t first = 0;
    const auto at = [&](std::size_t state) {
      float* const scales = packed.scales[s].of[state];
      return StatePart{part.state[state], scales == nullptr ? scales : scales + first / scale_block,
                       scratch + state * skewed, packed.first[s] + first,
                       Rounding{packed.rounding.stochastic,
                                packed.rounding.key + std::uint32_t(state) * next_key}};
    };
    for (bool last = false;; last = true) {
      update_blocks(update, shape, static_cast<float*>(part.param),
                    static_cast<const float*>(part.grad), part.size, states,
                    StateOf<R, K, Packed>(at(K))...);
      if (last || left == 0) break;
      PaddedEnd::take<float>(span.param, whole, left, end.param);
      PaddedEnd::take<float>(span.grad, whole, left, end.grad);
      (PaddedEnd::take<typename StateOf<R, K, Packed>::Code>(span.state[K], whole, left,
                                                             end.state[K]),
       ...);
      part = {end.param, end.grad, {end.state[K]...}, left + lanes - left % lanes};
      first = whole;
    }
    if (left > 0) {
      PaddedEnd::give<float>(end.param, whole, left, span.param);
      (PaddedEnd::give<typename StateOf<R, K, Packed>::Code>(end.state[K], whole, left,
                                                             span.state[K]),
       ...);
    }
    hooks.after(hooks.context, s);
  }
}

template <class R, class Packed, bool General>
void update_packed(const double* hyper, const Step& step, const Shaping& shaping,
                   const PackedSpans& packed, const SpanHooks& hooks) {
  update_packed_spans<R, Packed, General>(from_values<R>(hyper), step, shaping, packed, hooks,
                                          std::make_index_sequence<R::states.size>());
}

}  // namespace pyoptim::PYOPTIM_ISA

#endif
