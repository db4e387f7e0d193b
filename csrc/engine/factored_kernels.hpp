// Steps of rules that keep states for the rows and columns of matrices. Such a rule has, besides
// what every rule has,
//   shapes              what each state has a number for; those of elements come last
//   matrices            what matrices an array is seen as
//   no_row              what it is given for a row where no state of rows is kept
//   combination         what it makes of the values found in a row or column
//   combine<F>(t)       the state of a row or column, of its old one and the mean or the largest of
//                       those values
//   step<F>(t)          the update of an element, given the numbers of its row and column
// and, where it needs them, collect<F>(t) and measure<F>(t), passes before that. What they sum up
// is in t.sums[0] and [1] in later passes. If there is no collect, values are found by the update.
// With least_mean<F>(), a row's number is its state divided by the mean over all rows, but not by
// less than that. See adafactor.hpp, sm3.hpp and rowwise_adagrad.hpp.
#pragma once

#include <cstddef>
#include <utility>

#include "engine/element.hpp"
#include "engine/sum.hpp"

namespace pyoptim::PYOPTIM_ISA {

template <class R>
concept FactoredRule = requires {
  R::shapes.size;
};

template <class R>
concept Collects = requires(const R& rule, const Step& t) {
  rule.template collect<float>(t);
};
template <class R>
concept Measures = requires(const R& rule, const Step& t) {
  rule.template measure<float>(t);
};
template <class R, class F>
concept RelativeRows = requires(const R& rule) {
  rule.template least_mean<F>();
};

template <class R>
inline constexpr Pass collecting_pass = Collects<R> ? Pass::collect : Pass::update;

/// The first state of this shape; states.size if there is none.
template <class R>
consteval std::size_t state_of(StateShape shape) {
  std::size_t k = 0;
  while (k < R::states.size && R::shapes.item[k] != shape) ++k;
  return k;
}

template <class R>
inline constexpr bool keeps_rows = state_of<R>(StateShape::row) < R::states.size;
template <class R>
inline constexpr bool keeps_columns = state_of<R>(StateShape::column) < R::states.size;

template <class R, Pass P, class F>
auto function_of(const R& rule, const Step& step) {
  if constexpr (P == Pass::collect)
    return rule.template collect<F>(step);
  else if constexpr (P == Pass::measure)
    return rule.template measure<F>(step);
  else
    return rule.template step<F>(step);
}

inline constexpr std::size_t summed = 512;  // elements that are added up in their own type

/// One pass over rows in a tile. What is found of them and summed up goes over blocks of a row, in
/// the type of arithmetic and 16 lanes, and then on in double.
template <class R, class T, Pass P, bool General, bool Direct, std::size_t... K>
class RowPass {
  using F = Arithmetic<T>;
  static constexpr bool collects = P == collecting_pass<R>;
  static constexpr Combination kind = R::combination;

 public:
  RowPass(const R& rule, const Step& step, const Shaping& shaping)
      : function_(function_of<R, P, F>(rule, step)),
        combine_(rule.template combine<F>(step)),
        shape_(shaping) {}

  void at(T* param, const T* grad, F row, F* columns, F* column_values,
          [[maybe_unused]] F* const* states) {
    p_ = param;
    g_ = grad;
    row_ = row;
    columns_ = columns;
    column_values_ = column_values;
    ((states_[K] = states[K]), ...);
  }

  /// Sets what is found in the row, and adds to the total.
  void run(std::size_t size, double& found, double& total) const {
    const RowPass row = *this;  // nothing that is written can be a part of it
    if constexpr (P == Pass::update && !collects) {
#pragma omp simd
      for (std::size_t i = 0; i < size; ++i) {
        F value = 0, term = 0;
        row.element(i, value, term);
      }
    } else {
      for (std::size_t begin = 0; begin < size; begin += summed)
        row.block(begin, size - begin < summed ? size - begin : summed, found, total);
    }
  }

  /// One element a row: what is found of each, or its update.
  void run_single(std::size_t rows, const F* row_factor, double* found) {
    for (std::size_t i = 0; i < rows; ++i) {
      F value = 0, term = 0;
      row_ = row_factor == nullptr ? F(R::no_row) : row_factor[i];
      element(i, value, term);
      if constexpr (collects) found[i] = double(value);
    }
  }

 private:
  void block(std::size_t begin, std::size_t size, double& found, double& total) const {
    Lanes<kind, F> values;
    Lanes<Combination::sum, F> terms;
    F value[lanes], term[lanes];
    by_lanes(
        size,
        [&](std::size_t i, std::size_t j) {
          value[j] = term[j] = 0;
          element(begin + i, value[j], term[j]);
          if constexpr (collects && keeps_columns<R>) note_column(begin + i, value[j]);
        },
        [&](std::size_t j) { value[j] = term[j] = 0; },
        [&] {
          if constexpr (collects) values.add(value);
          if constexpr (P != Pass::update) terms.add(term);
        });
    if constexpr (collects)
      found = kind == Combination::sum ? found + values.folded() : larger(values.folded(), found);
    if constexpr (P != Pass::update) total += terms.folded();
  }

  void element(std::size_t i, F& value, F& term) const {
    F param = load(p_[i]), grad = load(g_[i]);
    if constexpr (P == Pass::collect) {
      F kept = param;
      shape_(kept, grad);  // what is measured of parameters is measured before they decay
      function_(param, grad, value, term);
    } else if constexpr (P == Pass::measure) {
      shape_(param, grad);
      function_(grad, row_, column(i), term);
    } else {
      F local[sizeof...(K) + 1] = {states_[K][i]...};
      shape_(param, grad);
      if constexpr (collects)
        function_(param, grad, row_, column(i), local[K]..., value);
      else
        function_(param, grad, row_, column(i), local[K]...);
      store(p_[i], param);
      ((states_[K][i] = local[K]), ...);
    }
  }

  [[nodiscard]] F column([[maybe_unused]] std::size_t i) const {
    if constexpr (keeps_columns<R>)
      return columns_[i];
    else
      return 0;
  }

  void note_column(std::size_t i, F value) const {
    if constexpr (Direct)
      columns_[i] = combine_(columns_[i], value);
    else if constexpr (kind == Combination::sum)
      column_values_[i] += value;
    else
      column_values_[i] = larger(value, column_values_[i]);
  }

  decltype(function_of<R, P, F>(std::declval<R>(), std::declval<Step>())) function_;
  decltype(std::declval<R>().template combine<F>(std::declval<Step>())) combine_;
  Shaper<F, General> shape_;
  T* p_ = nullptr;
  const T* g_ = nullptr;
  F row_ = 0;
  F* columns_ = nullptr;
  F* column_values_ = nullptr;
  F* states_[sizeof...(K) + 1] = {};
};

template <class R, class T, Pass P, bool General, bool Direct, std::size_t... K>
void over_tile(const R& rule, const Step& step, const Shaping& shaping, const Tile& tile,
               double* total, std::index_sequence<K...> /*element states*/) {
  using F = Arithmetic<T>;
  constexpr std::size_t first_state = R::states.size - sizeof...(K);
  constexpr std::size_t column_state = keeps_columns<R> ? state_of<R>(StateShape::column) : 0;
  constexpr bool collects = P == collecting_pass<R>;
  RowPass<R, T, P, General, Direct, K...> pass(rule, step, shaping);
  const auto* const row = static_cast<const F*>(tile.row_factor);
  auto* const columns = static_cast<F*>(tile.state[column_state]);
  const auto place = [&](std::size_t number, std::size_t matrix, F* column_values) {
    const std::size_t start = number * tile.stride;
    F* const states[] = {static_cast<F*>(tile.state[first_state + K]) + start..., nullptr};
    pass.at(static_cast<T*>(tile.param) + start, static_cast<const T*>(tile.grad) + start,
            row == nullptr ? F(R::no_row) : row[number], columns + matrix * tile.columns,
            column_values, states);
  };
  *total = 0;
  if constexpr (!keeps_columns<R>) {
    if (tile.stride == 1) {
      place(0, 0, nullptr);
      pass.run_single(tile.rows, row, tile.row_values);
      return;
    }
  }
  for (std::size_t m = 0; m < tile.matrices; ++m) {
    F* const column_values =
        Direct ? nullptr : static_cast<F*>(tile.column_values) + m * tile.columns;
    if constexpr (collects && !Direct)
      for (std::size_t j = 0; j < tile.columns; ++j) column_values[j] = 0;
    for (std::size_t i = 0; i < tile.rows; ++i) {
      const std::size_t number = m * tile.rows + i;
      place(number, m, column_values);
      double found = 0;
      pass.run(tile.columns, found, *total);
      if (collects && tile.row_values != nullptr) tile.row_values[number * tile.row_stride] = found;
    }
  }
}

template <class R, class T, Pass P, bool General>
void factored_pass(const double* hyper, const Step& step, const Shaping& shaping, const Tile& tile,
                   double* total) {
  constexpr std::size_t first_state = state_of<R>(StateShape::element);
  constexpr std::make_index_sequence<R::states.size - first_state> states{};
  const R rule = from_values<R>(hyper);
  if (tile.column_values == nullptr)
    over_tile<R, T, P, General, true>(rule, step, shaping, tile, total, states);
  else
    over_tile<R, T, P, General, false>(rule, step, shaping, tile, total, states);
}

template <class R, class F>
void combine_rows(const R& rule, const Step& step, const Found& found) {
  constexpr Combination kind = R::combination;
  const auto combine = rule.template combine<F>(step);
  auto* const state = static_cast<F*>(found.state[state_of<R>(StateShape::row)]);
  for (std::size_t i = 0; i < found.matrices * found.rows; ++i) {
    const double* const values = found.row_values + i * found.column_tiles;
    double all = values[0];
    for (std::size_t k = 1; k < found.column_tiles; ++k)
      all = kind == Combination::sum ? all + values[k] : larger(values[k], all);
    state[i] = combine(state[i], F(kind == Combination::sum ? all / double(found.columns) : all));
  }
  if constexpr (RelativeRows<R, F>) {
    for (std::size_t m = 0; m < found.matrices; ++m) {
      const F* const rows = state + m * found.rows;
      double sum = 0;
      for (std::size_t i = 0; i < found.rows; ++i) sum += double(rows[i]);
      const F mean = larger(rule.template least_mean<F>(), F(sum / double(found.rows)));
      F* const factors = static_cast<F*>(found.row_factor) + m * found.rows;
      for (std::size_t i = 0; i < found.rows; ++i) factors[i] = rows[i] / mean;
    }
  }
}

template <class R, class F>
void combine_columns(const R& rule, const Step& step, const Found& found) {
  constexpr Combination kind = R::combination;
  constexpr std::size_t most = 256;  // columns at a time, each tile's behind each other
  const auto combine = rule.template combine<F>(step);
  auto* const state = static_cast<F*>(found.state[state_of<R>(StateShape::column)]);
  for (std::size_t m = 0; m < found.matrices; ++m) {
    const F* const values =
        static_cast<const F*>(found.column_values) + m * found.row_tiles * found.columns;
    F* const columns = state + m * found.columns;
    for (std::size_t first = 0; first < found.columns; first += most) {
      const std::size_t size = found.columns - first < most ? found.columns - first : most;
      double all[most] = {};
      for (std::size_t k = 0; k < found.row_tiles; ++k) {
        const F* const tile = values + k * found.columns + first;
#pragma omp simd
        for (std::size_t j = 0; j < size; ++j)
          all[j] =
              kind == Combination::sum ? all[j] + double(tile[j]) : larger(double(tile[j]), all[j]);
      }
      const double items = kind == Combination::sum ? double(found.rows) : 1;
#pragma omp simd
      for (std::size_t j = 0; j < size; ++j)
        columns[first + j] = combine(columns[first + j], F(all[j] / items));
    }
  }
}

template <class R, class F>
void combine(const double* hyper, const Step& step, const Found& found) {
  const R rule = from_values<R>(hyper);
  if constexpr (keeps_rows<R>)
    if (found.row_values != nullptr) combine_rows<R, F>(rule, step, found);
  if constexpr (keeps_columns<R>)
    if (found.column_values != nullptr) combine_columns<R, F>(rule, step, found);
}

template <class R>
constexpr FactoredKernels make_factored_kernels() {
  static_assert(R::shapes.size >= R::states.size);
  FactoredKernels kernels{};
  for (std::size_t k = 0; k < R::states.size; ++k) kernels.shape[k] = R::shapes.item[k];
  kernels.matrices = R::matrices;
  if constexpr (requires { R::vector_state; }) kernels.vector_state = R::vector_state;
  kernels.relative_rows = RelativeRows<R, float>;
  kernels.collecting = collecting_pass<R>;
  const auto set = [&]<Pass P>() {
    kernels.pass[int(P)][int(DType::float32)][0] = factored_pass<R, float, P, false>;
    kernels.pass[int(P)][int(DType::float32)][1] = factored_pass<R, float, P, true>;
    kernels.pass[int(P)][int(DType::float64)][0] = factored_pass<R, double, P, false>;
    kernels.pass[int(P)][int(DType::float64)][1] = factored_pass<R, double, P, true>;
    kernels.pass[int(P)][int(DType::bfloat16)][0] = factored_pass<R, bfloat16, P, false>;
    kernels.pass[int(P)][int(DType::bfloat16)][1] = factored_pass<R, bfloat16, P, true>;
  };
  if constexpr (Collects<R>) set.template operator()<Pass::collect>();
  if constexpr (Measures<R>) set.template operator()<Pass::measure>();
  set.template operator()<Pass::update>();
  kernels.combine[0] = combine<R, float>;
  kernels.combine[1] = combine<R, double>;
  return kernels;
}

template <class R>
inline constexpr FactoredKernels factored_kernels = make_factored_kernels<R>();

}  // namespace pyoptim::PYOPTIM_ISA
