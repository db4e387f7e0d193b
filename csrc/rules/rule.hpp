// How a rule is written. A rule is a struct of hyperparameters with
//   name, doc, defaults, states, fields     tables, below
//   step<F>(t)                              computes the scalars of step t, and returns the update
//                                           of an element, which changes states that it takes by
//                                           reference
// and optionally applies(), conflict(), initial(), scalars and advance(). A rule that needs norms
// has sum_count and measure<F>(t), a first pass; its sums are in t when step<F>(t) is called.
// `mean_state` is the index of a state that is a running mean of the parameters. A rule with
// supports_row_grad accepts row-sparse gradients. Examples are adam.hpp, lamb.hpp (with a first
// pass) and adafactor.hpp (with factored states). The engine does the rest: dtypes, weight decay,
// clipping and threads.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "rules/kernel_table.hpp"
#include "simd/fields.hpp"
#include "simd/math.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <class... Shapes>
consteval Table<StateShape, sizeof...(Shapes)> shapes_of(Shapes... shape) {
  return {{shape...}};
}

/// A list of this name, or an empty list.
template <bool Present>
consteval Table<const char*, Present ? 1 : 0> name_if(const char* name) {
  return {{Present ? name : nullptr}};
}

/// The fields of rules with a mean of gradients and a mean of their squares.
template <class R>
consteval Table<Field<R>, 3> moment_fields(double R::*beta1, double R::*beta2, double R::*eps) {
  return {
      {{"beta1", beta1, fraction, "Decay of the mean of gradients."},
       {"beta2", beta2, fraction, "Decay of the mean of squared gradients."},
       {"eps", eps, non_negative, "Constant added to the root, which prevents a division by 0."}}};
}

template <class R>
consteval Table<Field<R>, 1> variant_flag(const char* name, bool chosen, const char* doc) {
  return {{Field<R>{name, nullptr, flag, doc, chosen}}};
}

/// Rates below this are treated as 0 by rules that divide by the rate. For all others, the root of
/// a float32 number times the inverse rate is finite.
inline constexpr double min_rate = 1e-18;

/// The range of gradients whose squares and mean squares are normal float32 numbers; for
/// squares_summed, also of the sum of some hundred squares.
inline constexpr GradientRange squared{1e-17, 1e18};
inline constexpr GradientRange squares_summed{1e-17, 1e17};

/// Whether a state has its initial value in this step: it is the tensor's first, and the caller has
/// not written the state.
inline bool begins(const Step& t, std::size_t state) {
  return t.count == 1 && ((t.written >> state) & 1U) == 0;
}

/// For updates with a varying number of states.
template <class T, class F>
concept Same = std::is_same_v<T, F>;

template <class R>
concept Rule = requires {
  R::name;
  R::doc;
  R::defaults;
  R::states.size;
  R::fields.size;
};

/// The number of fields that are members of the struct.
template <class R>
consteval std::size_t stored_fields() {
  std::size_t stored = 0;
  for (std::size_t i = 0; i < R::fields.size; ++i) stored += R::fields.item[i].member != nullptr;
  return stored;
}

/// A rule for code that is compiled once. optim/rule_kernels.hpp defines this function, and the
/// source of each rule instantiates it.
template <class R>
const RuleInfo& rule_info();

}  // namespace pyoptim::PYOPTIM_ISA
