// How an optimizer is written down. A rule is a struct of hyper-parameters with
//   name, doc, defaults, states, fields     tables, below
//   step<F>(t)                              the scalars of step t, and the update of one element;
//                                           states that it takes by value are not written
// and, where it needs them, applies(), conflict(), initial(), scalars and advance(). A rule that
// needs norms has sum_count and measure<F>(t), a first pass whose sums are in t when step<F>(t) is
// called. `mean_state` is the index of a state that is a running mean of the parameters. A rule
// with takes_rows can be given gradients of some rows of a tensor. See adam.hpp for a rule,
// lamb.hpp for one that measures, and factored_kernels.hpp for rules that keep states by row and
// column. The engine supplies everything else: types, decay, clipping, threads.
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

/// A list of this name, or of none.
template <bool Present>
consteval Table<const char*, Present ? 1 : 0> name_if(const char* name) {
  return {{Present ? name : nullptr}};
}

/// The fields of rules that keep a mean of gradients and one of their squares.
template <class R>
consteval Table<Field<R>, 3> moment_fields(double R::*beta1, double R::*beta2, double R::*eps) {
  return {{{"beta1", beta1, fraction, "Decay of the mean of gradients."},
           {"beta2", beta2, fraction, "Decay of the mean of squared gradients."},
           {"eps", eps, non_negative, "Added to the root, against division by 0."}}};
}

template <class R>
consteval Table<Field<R>, 1> variant_flag(const char* name, bool chosen, const char* doc) {
  return {{Field<R>{name, nullptr, flag, doc, chosen}}};
}

/// Rates that are divided by count as 0 from here on down: the root of a float32 times the inverse
/// of a larger one is finite.
inline constexpr double least_rate = 1e-18;

/// Gradients whose squares, and means of squares, are normal numbers of float32; and of which some
/// hundreds can be added up.
inline constexpr GradientRange squared{1e-17, 1e18};
inline constexpr GradientRange squares_summed{1e-17, 1e17};

/// Whether a tensor's state is in this step as the rule begins it: there was none before, and
/// nobody has written another one.
inline bool begins(const Step& t, std::size_t state) {
  return t.count == 1 && ((t.written >> state) & 1U) == 0;
}

/// For the parameters of updates that take any number of states.
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

/// The number of fields that are kept in the struct.
template <class R>
consteval std::size_t stored_fields() {
  std::size_t stored = 0;
  for (std::size_t i = 0; i < R::fields.size; ++i) stored += R::fields.item[i].member != nullptr;
  return stored;
}

/// A rule as code that is compiled once sees it. optim/rule_kernels.hpp defines it, and the source
/// of each rule instantiates it.
template <class R>
const RuleInfo& rule_info();

}  // namespace pyoptim::PYOPTIM_ISA
