// The update loops of a rule. Compiled once for each instruction set, in the namespace PYOPTIM_ISA,
// in one source for each file of csrc/rules, which its CMakeLists.txt writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "optim/factored/factored_kernels.hpp"
#include "optim/preprocess.hpp"
#include "optim/quantize/quantized_kernels.hpp"
#include "rules/rule.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// One pass over the spans. All states of an element are read before any is written, because a
/// store to one array delays loads from others with equal addresses modulo 4096.
template <class R, class T, bool General, std::size_t... K>
void update_spans(const R& rule, const Step& step, const Preprocess& preprocess, const Span* spans,
                  std::size_t count, const SpanHooks* hooks, std::index_sequence<K...> states) {
  using F = Arithmetic<T>;
  const auto update = rule.template step<F>(step);
  using Update = std::remove_const_t<decltype(update)>;
  const Preprocessor<F, General> shape(preprocess);
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

/// The first pass over a span. It changes states but no parameters, and adds the terms of the rule
/// in 16 lanes, block by block.
template <class R, class T, bool General, std::size_t... K, std::size_t... S>
void measure_span(const R& rule, const Step& step, const Preprocess& preprocess, const Span& span,
                  std::size_t block, double* sums, std::index_sequence<K...> states,
                  std::index_sequence<S...> /*sums*/) {
  using F = Arithmetic<T>;
  const auto measure = rule.template measure<F>(step);
  using Measure = std::remove_const_t<decltype(measure)>;
  const Preprocessor<F, General> shape(preprocess);
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
void measure(const double* hyper, const Step& step, const Preprocess& preprocess, const Span& span,
             std::size_t block, double* sums) {
  measure_span<R, T, General>(from_values<R>(hyper), step, preprocess, span, block, sums,
                              std::make_index_sequence<R::states.size>(),
                              std::make_index_sequence<R::sum_count>());
}

template <class R, class T, bool General>
void update(const double* hyper, const Step& step, const Preprocess& preprocess, const Span* spans,
            std::size_t count, const SpanHooks* hooks) {
  update_spans<R, T, General>(from_values<R>(hyper), step, preprocess, spans, count, hooks,
                              std::make_index_sequence<R::states.size>());
}

/// Uses only the state that is a copy of the parameters, which is never quantized.
template <class R, class T>
void eval_params(const double* hyper, const Span& span) {
  using F = Arithmetic<T>;
  const auto point = from_values<R>(hyper).template eval_params<F>();
  T* const p = static_cast<T*>(span.param);
  const F* const z = static_cast<const F*>(span.state[R::copied_state]);
#pragma omp simd
  for (std::size_t i = 0; i < span.size; ++i) store(p[i], point(F(load(p[i])), z[i]));
}

template <class R, class T>
void update_hessian(const double* hyper, const Span& span) {
  using F = Arithmetic<T>;
  const auto take_in = from_values<R>(hyper).template update_hessian<F>();
  const T* const estimates = static_cast<const T*>(span.grad);
  F* const state = static_cast<F*>(span.state[R::hessian_state]);
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

/// The type whose updates are compiled. Rules that differ only in defaults share it.
template <class R>
struct FormulaOf {
  using type = R;
};
template <class R>
  requires requires { typename R::Formula; }
struct FormulaOf<R> {
  using type = typename R::Formula;
};

/// Bit K is set if the function changes state K.
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
template <class R, class Quantized>
constexpr void add_quantized(QuantizedUpdate (&to)[2]) {
  to[0] = update_quantized<R, Quantized, false>;
  to[1] = update_quantized<R, Quantized, true>;
}
#endif

/// Adds the kernels of a rule whose states all have one number for each element.
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
    if constexpr (requires { R::global_sums; }) rule.global_sums = R::global_sums;
  }
  if constexpr (requires { R::copied_state; }) rule.copied_state = R::copied_state;
  if constexpr (requires { R::hessian_state; }) rule.hessian_state = R::hessian_state;
  if constexpr (requires(R r) { r.template eval_params<float>(); }) {
    rule.eval_params[int(DType::float32)] = eval_params<R, float>;
    rule.eval_params[int(DType::float64)] = eval_params<R, double>;
    rule.eval_params[int(DType::bfloat16)] = eval_params<R, bfloat16>;
  }
  if constexpr (requires(R r) { r.template update_hessian<float>(); }) {
    rule.update_hessian[int(DType::float32)] = update_hessian<R, float>;
    rule.update_hessian[int(DType::float64)] = update_hessian<R, double>;
    rule.update_hessian[int(DType::bfloat16)] = update_hessian<R, bfloat16>;
  }
  rule.update[int(DType::float32)][0] = update<Formula, float, false>;
  rule.update[int(DType::float32)][1] = update<Formula, float, true>;
  rule.update[int(DType::float64)][0] = update<Formula, double, false>;
  rule.update[int(DType::float64)][1] = update<Formula, double, true>;
  rule.update[int(DType::bfloat16)][0] = update<Formula, bfloat16, false>;
  rule.update[int(DType::bfloat16)][1] = update<Formula, bfloat16, true>;
#if PYOPTIM_GROUPS
  if constexpr (R::states.size > 0) {
    add_quantized<Formula, Bfloat16State<false>>(rule.quantized[int(StateFormat::bfloat16)][0]);
    add_quantized<Formula, Bfloat16State<true>>(rule.quantized[int(StateFormat::bfloat16)][1]);
    add_quantized<Formula, Float8State>(rule.quantized[int(StateFormat::float8)][0]);
    add_quantized<Formula, Float8State>(rule.quantized[int(StateFormat::float8)][1]);
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
                "every member of a rule must be in its field table");
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
  rule.hessian_state = R::states.size;
  rule.first_lr = R::fields.size;
  if constexpr (requires { R::first_lr; })
    for (std::size_t i = 0; i < R::fields.size; ++i)
      if (__builtin_strcmp(R::fields.item[i].name, R::first_lr) == 0) rule.first_lr = i;
  if constexpr (requires { R::mean_state; }) {
    static_assert(R::mean_state < R::states.size);
    rule.mean_state = R::mean_state;
  }
  if constexpr (requires { R::gradient_range; }) rule.gradient_range = R::gradient_range;
  if constexpr (requires { R::fused_weight_decay; })
    rule.fused_weight_decay = R::fused_weight_decay;
  if constexpr (requires { R::supports_row_grad; }) rule.supports_row_grad = R::supports_row_grad;
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
