// Compile-time tables of the fields of rules and losses.
#pragma once

#include <cstddef>

#include "core/fields.hpp"
#include "simd/math.hpp"

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

/// A hyperparameter: its name, its member, its range and its documentation. A field without a
/// member is a flag that selects the variant, whose value is `chosen`.
template <class R>
struct Field {
  const char* name;
  double R::*member;
  Range range;
  const char* doc;
  bool chosen = false;
  bool in_double = false;  ///< Whether the value is never cast to the dtype of a parameter, such as
                           ///< a number of steps.
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

template <class Fields>
struct FieldInfos {
  FieldInfo item[Fields::size > 0 ? Fields::size : 1];
};

/// The fields of a rule or loss, without the type of their members.
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

/// A rule or loss with these values of its fields.
template <class R>
R from_values(const double* hyper) {
  R rule;
  for (std::size_t i = 0; i < R::fields.size; ++i)
    if (R::fields.item[i].member != nullptr) rule.*R::fields.item[i].member = hyper[i];
  return rule;
}

}  // namespace pyoptim::PYOPTIM_ISA
