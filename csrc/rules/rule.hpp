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

#include "core/backend.hpp"
#include "simd/math.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// A fixed list that may be empty.
template <class T, std::size_t N>
struct Table {
  T item[N > 0 ? N : 1];
  static constexpr std::size_t size = N;
};

template <class T, std::size_t N, std::size_t M>
consteval Table<T, N + M> operator+(const Table<T, N>& a, const Table<T, M>& b) {
  Table<T, N + M> all{};
  for (std::size_t i = 0; i < N; ++i) all.item[i] = a.item[i];
  for (std::size_t i = 0; i < M; ++i) all.item[N + i] = b.item[i];
  return all;
}

template <class... Names>
consteval Table<const char*, sizeof...(Names)> names(Names... name) {
  return {{name...}};
}

template <class... Shapes>
consteval Table<StateShape, sizeof...(Shapes)> shapes_of(Shapes... shape) {
  return {{shape...}};
}

/// A list of this name, or of none.
template <bool Present>
consteval Table<const char*, Present ? 1 : 0> name_if(const char* name) {
  return {{Present ? name : nullptr}};
}

/// A hyper-parameter: its name, where it is kept, what it may be, and one sentence on it.
/// A field without a member is a flag that picks the variant: `chosen` is its value here.
template <class R>
struct Field {
  const char* name;
  double R::*member;
  Range range;
  const char* doc;
  bool chosen = false;
  bool in_double = false;  ///< Whether it is never cast to a parameter's type: a count of steps.
};

template <class R, class... Fields>
consteval Table<Field<R>, sizeof...(Fields)> fields_of(Fields... field) {
  return {{field...}};
}

inline constexpr double unlimited = __builtin_huge_val();
inline constexpr Range flag{0, 1, false, false, true};
inline constexpr Range positive{0, unlimited, true, true, false};
inline constexpr Range non_negative{0, unlimited, false, true, false};
inline constexpr Range fraction{0, 1, false, true, false};           // [0, 1)
inline constexpr Range closed_fraction{0, 1, false, false, false};   // [0, 1]
inline constexpr Range positive_fraction{0, 1, true, false, false};  // (0, 1]
inline constexpr Range not_above_zero{-unlimited, 0, true, false, false};
inline constexpr Range one_or_more{1, unlimited, false, true, false};
inline constexpr Range above_one{1, unlimited, true, true, false};
inline constexpr Range between_zero_and_one{0, 1, true, true, false};
inline constexpr Range any_number{-unlimited, unlimited, true, true, false};

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

/// The distance from 1 to the next number.
template <class F>
inline constexpr F epsilon = sizeof(F) == sizeof(double) ? F(__DBL_EPSILON__) : F(__FLT_EPSILON__);

/// The largest number of a type.
template <class F>
inline constexpr F largest_number = sizeof(F) == sizeof(double) ? F(__DBL_MAX__) : F(__FLT_MAX__);

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

template <class Fields>
struct FieldInfos {
  FieldInfo item[Fields::size > 0 ? Fields::size : 1];
};

/// The fields of a rule, or of a loss, without their members' type.
template <class R>
constexpr auto field_infos = [] {
  FieldInfos<decltype(R::fields)> infos{};
  for (std::size_t i = 0; i < R::fields.size; ++i) {
    const auto& field = R::fields.item[i];
    infos.item[i] = {field.name, field.doc, field.range,
                     field.member != nullptr ? R{}.*field.member : 0.0, field.in_double};
  }
  return infos;
}();

/// A rule, or a loss, with the values of its fields.
template <class R>
R from_values(const double* hyper) {
  R rule;
  for (std::size_t i = 0; i < R::fields.size; ++i)
    if (R::fields.item[i].member != nullptr) rule.*R::fields.item[i].member = hyper[i];
  return rule;
}

}  // namespace pyoptim::PYOPTIM_ISA
