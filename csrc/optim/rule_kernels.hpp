// The update loops of a rule. Compiled once for each instruction set, in a namespace of its own
// (PYOPTIM_ISA), in one source for each file of csrc/rules, which its CMakeLists.txt writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "optim/factored/factored_kernels.hpp"
#include "optim/preprocess.hpp"
#include "optim/quantize/packed_kernels.hpp"
#include "rules/rule.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// One pass over the spans. All states of an element are read before any is written: a store to
/// one array between loads of others stalls where their addresses agree modulo 4096.
template <class R, class T, bool General, std::size_t... K>
void update_spans(const R& rule, const Step& step, const Shaping& shaping, const Span* spans,
                  std::size_t count, const SpanHooks* hooks, std::index_sequence<K...> states) {
  using F = Arithmetic<T>;
  const auto update = rule.template step<F>(step);
  using Update = std::remove_const_t<decltype(update)>;
  const Shaper<F, General> shape(shaping);
  for (const Span* span = spans; span != spans + count; ++span) {
    if (hooks != nullptr) hooks->before(hooks->context, std::size_t(span - spans));
    T* const p = static_cast<T*>(span->param);
    const T* const g = static_cast<const T*>(span->grad);
    F* const state[sizeof...(K) + 1] = {static_cast<F*>(span->state[K])...};
    const std::size_t size = span->size;
#pragma omp simd
    for (std::size_t i = 0; i < size; ++i) {
      F param = load(p[i]), grad = load(g[i]);
      F local[sizeof...(K) + 1] = {state[K][i]...};
      shape(param, grad);
      update(param, grad, local[K]...);
      store(p[i], param);
      (store_state<changes<K, F, Update>(decltype(states)())>(state[K][i], local[K]), ...);
    }
    if (hooks != nullptr) hooks->after(hooks->context, std::size_t(span - spans));
  }
}

/// The first pass over a span: states change, parameters do not, and what the rule measures of
/// the elements is added up in 16 lanes, block by block.
template <class R, class T, bool General, std::size_t... K, std::size_t... S>
void measure_span(const R& rule, const Step& step, const Shaping& shaping, const Span& span,
                  std::size_t block, double* sums, std::index_sequence<K...> states,
                  std::index_sequence<S...> /*sums*/) {
  using F = Arithmetic<T>;
  const auto measure = rule.template measure<F>(step);
  using Measure = std::remove_const_t<decltype(measure)>;
  const Shaper<F, General> shape(shaping);
  const T* const p = static_cast<const T*>(span.param);
  const T* const g = static_cast<const T*>(span.grad);
  F* const state[sizeof...(K) + 1] = {static_cast<F*>(span.state[K])...};
  const auto element = [&](std::size_t i, auto&... term) {
    F param = load(p[i]), grad = load(g[i]);
    F local[sizeof...(K) + 1] = {state[K][i]...};
    shape(param, grad);
    measure(param, grad, local[K]..., term...);
    (store_state<changes<K, F, Measure, decltype(S, std::declval<double&>())...>(
         decltype(states)())>(state[K][i], local[K]),
     ...);
  };
  for (std::size_t begin = 0; begin < span.size; begin += block, sums += sizeof...(S)) {
    LaneSums in_lanes[sizeof...(S)];
    double terms[sizeof...(S)][lanes];
    by_lanes(
        span.size - begin < block ? span.size - begin : block,
        [&](std::size_t i, std::size_t j) { element(begin + i, terms[S][j]...); },
        [&](std::size_t j) { ((terms[S][j] = 0), ...); },
        [&] { (in_lanes[S].add(terms[S]), ...); });
    ((sums[S] = in_lanes[S].total()), ...);
  }
}

template <class R, class T, bool General>
void measure(const double* hyper, const Step& step, const Shaping& shaping, const Span& span,
             std::size_t block, double* sums) {
  measure_span<R, T, General>(from_values<R>(hyper), step, shaping, span, block, sums,
                              std::make_index_sequence<R::states.size>(),
                              std::make_index_sequence<R::sum_count>());
}

template <class R, class T, bool General>
void update(const double* hyper, const Step& step, const Shaping& shaping, const Span* spans,
            std::size_t count, const SpanHooks* hooks) {
  update_spans<R, T, General>(from_values<R>(hyper), step, shaping, spans, count, hooks,
                              std::make_index_sequence<R::states.size>());
}

/// Only the state that is a copy of the parameters at first is used, which is always kept whole.
template <class R, class T>
void evaluation(const double* hyper, const Span& span) {
  using F = Arithmetic<T>;
  const auto point = from_values<R>(hyper).template evaluation<F>();
  T* const p = static_cast<T*>(span.param);
  const F* const z = static_cast<const F*>(span.state[R::copied_state]);
#pragma omp simd
  for (std::size_t i = 0; i < span.size; ++i) store(p[i], point(F(load(p[i])), z[i]));
}

template <class R, class T>
void observe(const double* hyper, const Span& span) {
  using F = Arithmetic<T>;
  const auto take_in = from_values<R>(hyper).template observe<F>();
  const T* const estimates = static_cast<const T*>(span.grad);
  F* const state = static_cast<F*>(span.state[R::observed_state]);
#pragma omp simd
  for (std::size_t i = 0; i < span.size; ++i) state[i] = take_in(F(load(estimates[i])), state[i]);
}

template <class R>
bool applies(const double* hyper) {
  for (std::size_t i = 0; i < R::fields.size; ++i) {
    const auto& field = R::fields.item[i];
    if (field.member == nullptr && (hyper[i] != 0) != field.chosen) return false;
  }
  if constexpr (requires(R rule) { R::applies(rule); })
    return R::applies(from_values<R>(hyper));
  else
    return true;
}

template <class R>
const char* conflict(const double* hyper) {
  if constexpr (requires(R rule) { R::conflict(rule); })
    return R::conflict(from_values<R>(hyper));
  else
    return nullptr;
}

template <class R>
double initial_state(const double* hyper, double lr, std::size_t index) {
  if constexpr (requires(R rule) { rule.initial(lr, index); })
    return from_values<R>(hyper).initial(lr, index);
  else
    return 0;
}

template <class R>
void initial_scalars(const double* hyper, double lr, double* scalars) {
  if constexpr (requires(R rule) { rule.initial_scalars(lr, scalars); })
    from_values<R>(hyper).initial_scalars(lr, scalars);
}

template <class R>
void advance(const double* hyper, const Step& step, double* scalars) {
  if constexpr (requires(R rule) { rule.advance(step, scalars); })
    from_values<R>(hyper).advance(step, scalars);
}

/// The type whose updates are compiled: rules that differ only in defaults share one.
template <class R>
struct FormulaOf {
  using type = R;
};
template <class R>
  requires requires { typename R::Formula; }
struct FormulaOf<R> {
  using type = typename R::Formula;
};

/// Bit K tells whether a function changes state K.
template <class Function, class... Terms, std::size_t... K>
consteval unsigned changed_states([[maybe_unused]] std::index_sequence<K...> states) {
  return (0U | ... | (changes<K, float, Function, Terms...>(states) ? 1U << K : 0U));
}

template <class R, std::size_t... K, std::size_t... S>
consteval unsigned states_of_measure(std::index_sequence<K...> states,
                                     std::index_sequence<S...> /*sums*/) {
  using Function = decltype(std::declval<R>().template measure<float>(std::declval<Step>()));
  return changed_states<Function, decltype(S, std::declval<double&>())...>(states);
}

#if PYOPTIM_GROUPS
template <class R, class Packed>
constexpr void add_packed(PackedUpdate (&to)[2]) {
  to[0] = update_packed<R, Packed, false>;
  to[1] = update_packed<R, Packed, true>;
}
#endif

/// What only rules have whose states are all of elements.
template <class R>
constexpr void add_elementwise(RuleInfo& rule) {
  using Formula = typename FormulaOf<R>::type;
  using States = std::make_index_sequence<R::states.size>;
  using Updating = decltype(std::declval<R>().template step<float>(std::declval<Step>()));
  rule.changed_by_update = changed_states<Updating>(States());
  rule.reads[1] = 2 + R::states.size;
  if constexpr (requires { R::sum_count; }) {
    rule.reads[0] = R::reads[0];
    rule.reads[1] = R::reads[1];
    rule.changed_by_measure =
        states_of_measure<R>(States(), std::make_index_sequence<R::sum_count>());
    static_assert(R::sum_count <= max_sums);
    rule.sum_count = R::sum_count;
    rule.measure[int(DType::float32)][0] = measure<R, float, false>;
    rule.measure[int(DType::float32)][1] = measure<R, float, true>;
    rule.measure[int(DType::float64)][0] = measure<R, double, false>;
    rule.measure[int(DType::float64)][1] = measure<R, double, true>;
    rule.measure[int(DType::bfloat16)][0] = measure<R, bfloat16, false>;
    rule.measure[int(DType::bfloat16)][1] = measure<R, bfloat16, true>;
    if constexpr (requires { R::sums_of_all; }) rule.sums_of_all = R::sums_of_all;
  }
  if constexpr (requires { R::copied_state; }) rule.copied_state = R::copied_state;
  if constexpr (requires { R::observed_state; }) rule.observed_state = R::observed_state;
  if constexpr (requires(R r) { r.template evaluation<float>(); }) {
    rule.evaluation[int(DType::float32)] = evaluation<R, float>;
    rule.evaluation[int(DType::float64)] = evaluation<R, double>;
    rule.evaluation[int(DType::bfloat16)] = evaluation<R, bfloat16>;
  }
  if constexpr (requires(R r) { r.template observe<float>(); }) {
    rule.observe[int(DType::float32)] = observe<R, float>;
    rule.observe[int(DType::float64)] = observe<R, double>;
    rule.observe[int(DType::bfloat16)] = observe<R, bfloat16>;
  }
  rule.update[int(DType::float32)][0] = update<Formula, float, false>;
  rule.update[int(DType::float32)][1] = update<Formula, float, true>;
  rule.update[int(DType::float64)][0] = update<Formula, double, false>;
  rule.update[int(DType::float64)][1] = update<Formula, double, true>;
  rule.update[int(DType::bfloat16)][0] = update<Formula, bfloat16, false>;
  rule.update[int(DType::bfloat16)][1] = update<Formula, bfloat16, true>;
#if PYOPTIM_GROUPS
  if constexpr (R::states.size > 0) {
    add_packed<Formula, Bfloat16State<false>>(rule.packed[int(StateFormat::bfloat16)][0]);
    add_packed<Formula, Bfloat16State<true>>(rule.packed[int(StateFormat::bfloat16)][1]);
    add_packed<Formula, Float8State>(rule.packed[int(StateFormat::float8)][0]);
    add_packed<Formula, Float8State>(rule.packed[int(StateFormat::float8)][1]);
  }
#endif
}

template <class R>
constexpr void add_factored(RuleInfo& rule) {
  rule.factored = &factored_kernels<R>;
  if constexpr (Measures<R>) rule.sum_count = max_sums;
  std::size_t k = 0;
  for (const std::size_t reads : R::reads) rule.reads[k++] = reads;
}

template <Rule R>
constexpr RuleInfo describe() {
  using Formula = typename FormulaOf<R>::type;
  static_assert(sizeof(Formula) == (stored_fields<R>() > 0 ? stored_fields<R>() : 1) *
                                       (stored_fields<R>() > 0 ? sizeof(double) : 1),
                "every member of a rule stands in its field table");
  static_assert(R::states.size <= max_states);
  RuleInfo rule{};
  rule.name = R::name;
  rule.doc = R::doc;
  rule.defaults = R::defaults;
  rule.fields = field_infos<R>.item;
  rule.field_count = R::fields.size;
  rule.states = R::states.item;
  rule.state_count = R::states.size;
  if constexpr (requires { R::scalars.size; }) {
    static_assert(R::scalars.size <= max_scalars);
    rule.scalars = R::scalars.item;
    rule.scalar_count = R::scalars.size;
  }
  rule.applies = applies<R>;
  rule.conflict = conflict<R>;
  rule.initial_state = initial_state<R>;
  rule.initial_scalars = initial_scalars<R>;
  rule.advance = advance<R>;
  rule.copied_state = R::states.size;
  rule.mean_state = R::states.size;
  rule.observed_state = R::states.size;
  rule.first_lr = R::fields.size;
  if constexpr (requires { R::first_lr; })
    for (std::size_t i = 0; i < R::fields.size; ++i)
      if (__builtin_strcmp(R::fields.item[i].name, R::first_lr) == 0) rule.first_lr = i;
  if constexpr (requires { R::mean_state; }) {
    static_assert(R::mean_state < R::states.size);
    rule.mean_state = R::mean_state;
  }
  if constexpr (requires { R::gradient_range; }) rule.gradient_range = R::gradient_range;
  if constexpr (requires { R::decays_itself; }) rule.decays_itself = R::decays_itself;
  if constexpr (requires { R::takes_rows; }) rule.takes_rows = R::takes_rows;
  if constexpr (FactoredRule<R>)
    add_factored<R>(rule);
  else
    add_elementwise<R>(rule);
  return rule;
}

template <class R>
const RuleInfo& rule_info() {
  static constexpr RuleInfo info = describe<R>();
  return info;
}

}  // namespace pyoptim::PYOPTIM_ISA
