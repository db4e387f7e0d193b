// Steps of rules with factored states: states for the rows and columns of matrices. Besides the
// members of every rule, such a rule has
//   shapes              the shape of each state; states of elements come last
//   matrices            how an array is viewed as matrices
//   no_row              the argument for a row if there is no row state
//   combination         how the results in a row or column are combined: sum or largest
//   combine<F>(t)       computes the state of a row or column from its old value and the mean or
//                       the largest of the results
//   step<F>(t)          the update of an element, with the arguments of its row and column
// and optionally the earlier passes collect<F>(t) and measure<F>(t), whose sums are t.sums[0] and
// t.sums[1] in later passes. Without collect, the update computes the results. With min_mean<F>(),
// the argument of a row is its state divided by the mean over all rows, which counts as at least
// min_mean. With factor<F>(), the arguments of rows and columns are factor of these numbers.
// Examples are adafactor.hpp, sm3.hpp and rowwise_adagrad.hpp.
#pragma once

#include <cstddef>
#include <utility>

#include "optim/preprocess.hpp"
#include "simd/reduce.hpp"

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
  rule.template min_mean<F>();
};

template <class R>
concept TakesFactors = requires(const R& rule) {
  rule.template factor<float>();
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

inline constexpr std::size_t summed = 512;  // elements that are added in the dtype of arithmetic

/// The argument of passes for the state of a row or column.
template <class R, class F>
auto factor_of(const R& rule) {
  if constexpr (TakesFactors<R>)
    return rule.template factor<F>();
  else
    return [](F state) { return state; };
}

/// Rows with more columns than this are processed four at a time. Data of columns does not fit the
/// first-level cache then, and is loaded once for all four rows.
inline constexpr std::size_t near_columns = 2048;

/// One pass over neighbouring rows of a tile. Sums run over blocks of a row in 16 lanes of the
/// dtype of arithmetic, and then in double.
template <class R, class T, Pass P, bool General, bool Direct, class Rows, class States>
class RowPass;
template <class R, class T, Pass P, bool General, bool Direct, std::size_t... I, std::size_t... K>
class RowPass<R, T, P, General, Direct, std::index_sequence<I...>, std::index_sequence<K...>> {
  using F = Arithmetic<T>;
  static constexpr bool collects = P == collecting_pass<R>;
  static constexpr Combination kind = R::combination;
  static constexpr std::size_t rows = sizeof...(I);

 public:
  RowPass(const R& rule, const Step& step, const Preprocess& preprocess)
      : function_(function_of<R, P, F>(rule, step)),
        combine_(rule.template combine<F>(step)),
        factor_(factor_of<R, F>(rule)),
        shape_(preprocess) {}

  void columns(const F* numbers, F* values) {
    columns_ = numbers;
    column_values_ = values;
  }

  void at(std::size_t row, T* param, const T* grad, F number, [[maybe_unused]] F* const* states) {
    p_[row] = param;
    g_[row] = grad;
    row_[row] = number;
    ((states_[row][K] = states[K]), ...);
  }

  /// Writes the result of each row, and adds to the total.
  void run(std::size_t size, double (&stats)[rows], double& total) const {
    const RowPass all = *this;  // a copy, which stores through pointers cannot change
    double sum[rows][longest_row / summed];
    std::size_t blocks = 0;
    for (std::size_t begin = 0; begin < size; begin += summed, ++blocks)
      all.block(begin, smaller(summed, size - begin), stats, sum, blocks);
    if constexpr (P != Pass::update)
      for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t block = 0; block < blocks; ++block) total += sum[row][block];
  }

  /// Rows of one element: computes their results or updates them.
  void run_single(std::size_t count, const F* row_factor, double* stats) {
    for (std::size_t i = 0; i < count; ++i) {
      row_[0] = row_factor == nullptr ? F(R::no_row) : row_factor[i];
      Element element[1];
      update(i, element);
      if constexpr (collects) stats[i] = double(element[0].value);
    }
  }

 private:
  void block(std::size_t begin, std::size_t size, double (&stats)[rows],
             double (&sum)[rows][longest_row / summed], std::size_t number) const {
    Lanes<kind, F> values[rows];
    Lanes<Combination::sum, F> terms[rows];
    const std::size_t end = begin + size, whole = end - size % lanes;
    for (std::size_t i = begin; i < whole; i += lanes) lines(i, lanes, values, terms);
    if (whole < end) lines(whole, end - whole, values, terms);
    if constexpr (collects)
      ((stats[I] = kind == Combination::sum ? stats[I] + values[I].folded()
                                            : larger(values[I].folded(), stats[I])),
       ...);
    if constexpr (P != Pass::update) ((sum[I][number] = terms[I].folded()), ...);
  }

  /// Up to 16 elements of each row.
  void lines(std::size_t begin, std::size_t size, Lanes<kind, F> (&values)[rows],
             Lanes<Combination::sum, F> (&terms)[rows]) const {
    F value[rows][lanes], term[rows][lanes];
    const auto at = [&](std::size_t j) {
      Element elements[rows];
      update(begin + j, elements);
      ((value[I][j] = elements[I].value, term[I][j] = elements[I].term), ...);
    };
    if (size == lanes) {
#pragma omp simd
      for (std::size_t j = 0; j < lanes; ++j) at(j);
    } else {
      for (std::size_t j = 0; j < lanes; ++j) ((value[I][j] = term[I][j] = 0), ...);
      for (std::size_t j = 0; j < size; ++j) at(j);
    }
    if constexpr (collects) (values[I].add(value[I]), ...);
    if constexpr (P != Pass::update) (terms[I].add(term[I]), ...);
  }

  struct Element {
    F param, grad;
    F state[sizeof...(K) + 1];
    F value = 0, term = 0;  // the result, and the term of the total
  };

  /// Updates one element of each row. All are read before one is written, because rows often differ
  /// by a multiple of 4096 bytes, and a load waits for a store to an equal address modulo 4096.
  void update(std::size_t i, Element (&elements)[rows]) const {
    (read<I>(i, elements[I]), ...);
    const F number = column(i);
    (work_out(elements[I], row_[I], number), ...);
    if constexpr (P == Pass::update) (write<I>(i, elements[I]), ...);
    if constexpr (collects && keeps_columns<R>) note_column(i, elements[I].value...);
  }

  template <std::size_t Row>
  void read(std::size_t i, Element& element) const {
    element.param = load(p_[Row][i]);
    element.grad = load(g_[Row][i]);
    if constexpr (P == Pass::update) ((element.state[K] = states_[Row][K][i]), ...);
  }

  void work_out(Element& element, F row, F column) const {
    auto& [param, grad, state, value, term] = element;
    if constexpr (P == Pass::collect) {
      F updated = param;
      shape_(updated, grad);  // parameters are measured before weight decay
      function_(param, grad, value, term);
    } else if constexpr (P == Pass::measure) {
      shape_(param, grad);
      function_(grad, row, column, term);
    } else {
      shape_(param, grad);
      if constexpr (collects)
        function_(param, grad, row, column, state[K]..., value);
      else
        function_(param, grad, row, column, state[K]...);
    }
  }

  template <std::size_t Row>
  void write(std::size_t i, const Element& element) const {
    store(p_[Row][i], element.param);
    ((states_[Row][K][i] = element.state[K]), ...);
  }

  [[nodiscard]] F column([[maybe_unused]] std::size_t i) const {
    if constexpr (!keeps_columns<R>)
      return 0;
    else if constexpr (Direct)
      return factor_(columns_[i]);
    else
      return columns_[i];
  }

  template <class... Values>
  void note_column(std::size_t i, Values... values) const {
    F all = column_values_[i];
    if constexpr (Direct)
      ((all = combine_(all, values)), ...);
    else if constexpr (kind == Combination::sum)
      ((all += values), ...);
    else
      ((all = larger(values, all)), ...);
    column_values_[i] = all;
  }

  decltype(function_of<R, P, F>(std::declval<R>(), std::declval<Step>())) function_;
  decltype(std::declval<R>().template combine<F>(std::declval<Step>())) combine_;
  decltype(factor_of<R, F>(std::declval<R>())) factor_;
  Preprocessor<F, General> shape_;
  T* p_[rows] = {};
  const T* g_[rows] = {};
  F row_[rows] = {};
  const F* columns_ = nullptr;
  F* column_values_ = nullptr;
  F* states_[rows][sizeof...(K) + 1] = {};
};

template <class R, class T, Pass P, bool General, bool Direct, std::size_t... K>
void over_tile(const R& rule, const Step& step, const Preprocess& preprocess, const Tile& tile,
               double* total, std::index_sequence<K...> states) {
  using F = Arithmetic<T>;
  constexpr std::size_t first_state = R::states.size - sizeof...(K);
  constexpr std::size_t column_state = keeps_columns<R> ? state_of<R>(StateShape::column) : 0;
  constexpr bool collects = P == collecting_pass<R>;
  const auto* const row_factor = static_cast<const F*>(tile.row_factor);
  const auto* const columns = static_cast<const F*>(tile.column_factor);
  auto* const column_values =
      static_cast<F*>(Direct ? tile.state[column_state] : tile.column_values);
  const auto place = [&](auto& pass, std::size_t row, std::size_t number) {
    const std::size_t start = number * tile.stride;
    F* const element_states[] = {static_cast<F*>(tile.state[first_state + K]) + start..., nullptr};
    pass.at(row, static_cast<T*>(tile.param) + start, static_cast<const T*>(tile.grad) + start,
            row_factor == nullptr ? F(R::no_row) : row_factor[number], element_states);
  };
  *total = 0;
  if constexpr (!keeps_columns<R>) {
    if (tile.stride == 1) {
      RowPass<R, T, P, General, Direct, std::index_sequence<0>, decltype(states)> pass(rule, step,
                                                                                       preprocess);
      place(pass, 0, 0);
      pass.run_single(tile.rows, row_factor, tile.row_values);
      return;
    }
  }
  const auto over_rows = [&]<std::size_t... I>(std::size_t first, std::size_t end, const F* numbers,
                                               F* values, std::index_sequence<I...> at_once) {
    RowPass<R, T, P, General, Direct, decltype(at_once), decltype(states)> pass(rule, step,
                                                                                preprocess);
    pass.columns(numbers, values);
    constexpr std::size_t count = sizeof...(I);
    for (; first + count <= end; first += count) {
      (place(pass, I, first + I), ...);
      double stats[count] = {};
      pass.run(tile.columns, stats, *total);
      if (collects && tile.row_values != nullptr)
        ((tile.row_values[(first + I) * tile.row_stride] = stats[I]), ...);
    }
    return first;
  };
  for (std::size_t m = 0; m < tile.matrices; ++m) {
    const F* const numbers = columns + m * tile.columns;
    F* const values = column_values + m * tile.columns;
    if constexpr (collects && !Direct)
      for (std::size_t j = 0; j < tile.columns; ++j) values[j] = 0;
    std::size_t row = m * tile.rows;
    const std::size_t end = row + tile.rows;
    if constexpr (keeps_columns<R> && !Direct)
      if (tile.columns > near_columns)
        row = over_rows(row, end, numbers, values, std::index_sequence<0, 1, 2, 3>());
    over_rows(row, end, numbers, values, std::index_sequence<0>());
  }
}

template <class R, class T, Pass P, bool General>
void factored_pass(const double* hyper, const Step& step, const Preprocess& preprocess,
                   const Tile& tile, double* total) {
  constexpr std::size_t first_state = state_of<R>(StateShape::element);
  constexpr std::make_index_sequence<R::states.size - first_state> states{};
  const R rule = from_values<R>(hyper);
  if (tile.column_values == nullptr)
    over_tile<R, T, P, General, true>(rule, step, preprocess, tile, total, states);
  else
    over_tile<R, T, P, General, false>(rule, step, preprocess, tile, total, states);
}

template <class R, class F>
void combine_rows(const R& rule, const Step& step, const RowColumnStats& stats) {
  constexpr Combination kind = R::combination;
  const auto combine = rule.template combine<F>(step);
  [[maybe_unused]] const auto factor = factor_of<R, F>(rule);
  auto* const state = static_cast<F*>(stats.state[state_of<R>(StateShape::row)]);
  for (std::size_t i = 0; i < stats.matrices * stats.rows; ++i) {
    const double* const values = stats.row_values + i * stats.column_tiles;
    double all = values[0];
    for (std::size_t k = 1; k < stats.column_tiles; ++k)
      all = kind == Combination::sum ? all + values[k] : larger(values[k], all);
    state[i] = combine(state[i], F(kind == Combination::sum ? all / double(stats.columns) : all));
  }
  if constexpr (RelativeRows<R, F>) {
    for (std::size_t m = 0; m < stats.matrices; ++m) {
      const F* const rows = state + m * stats.rows;
      double sum = 0;
      for (std::size_t i = 0; i < stats.rows; ++i) sum += double(rows[i]);
      const F mean = larger(rule.template min_mean<F>(), F(sum / double(stats.rows)));
      F* const factors = static_cast<F*>(stats.row_factor) + m * stats.rows;
      for (std::size_t i = 0; i < stats.rows; ++i) factors[i] = factor(rows[i] / mean);
    }
  }
}

template <class R, class F>
void combine_columns(const R& rule, const Step& step, const RowColumnStats& stats) {
  constexpr Combination kind = R::combination;
  constexpr std::size_t max_columns = 256;  // columns at a time, for all tiles one after the other
  const auto combine = rule.template combine<F>(step);
  const auto factor = factor_of<R, F>(rule);
  auto* const state = static_cast<F*>(stats.state[state_of<R>(StateShape::column)]);
  for (std::size_t m = 0; m < stats.matrices; ++m) {
    const F* const values =
        static_cast<const F*>(stats.column_values) + m * stats.row_tiles * stats.columns;
    F* const columns = state + m * stats.columns;
    F* const factors = static_cast<F*>(stats.column_factor) + m * stats.columns;
    for (std::size_t first = 0; first < stats.columns; first += max_columns) {
      const std::size_t size =
          stats.columns - first < max_columns ? stats.columns - first : max_columns;
      double all[max_columns] = {};
      for (std::size_t k = 0; k < stats.row_tiles; ++k) {
        const F* const tile = values + k * stats.columns + first;
#pragma omp simd
        for (std::size_t j = 0; j < size; ++j)
          all[j] =
              kind == Combination::sum ? all[j] + double(tile[j]) : larger(double(tile[j]), all[j]);
      }
      const double items = kind == Combination::sum ? double(stats.rows) : 1;
#pragma omp simd
      for (std::size_t j = 0; j < size; ++j)
        columns[first + j] = combine(columns[first + j], F(all[j] / items));
      if constexpr (TakesFactors<R>) {
#pragma omp simd
        for (std::size_t j = first; j < first + size; ++j) factors[j] = factor(columns[j]);
      }
    }
  }
}

template <class R, class F>
void combine(const double* hyper, const Step& step, const RowColumnStats& stats) {
  const R rule = from_values<R>(hyper);
  if constexpr (keeps_rows<R>)
    if (stats.row_values != nullptr) combine_rows<R, F>(rule, step, stats);
  if constexpr (keeps_columns<R>)
    if (stats.column_values != nullptr) combine_columns<R, F>(rule, step, stats);
}

template <class R>
constexpr FactoredKernels make_factored_kernels() {
  static_assert(R::shapes.size >= R::states.size);
  FactoredKernels kernels{};
  for (std::size_t k = 0; k < R::states.size; ++k) kernels.shape[k] = R::shapes.item[k];
  kernels.matrices = R::matrices;
  if constexpr (requires { R::one_row_state; }) kernels.one_row_state = R::one_row_state;
  static_assert(!TakesFactors<R> || RelativeRows<R, float> || !keeps_rows<R>);
  kernels.relative_rows = RelativeRows<R, float>;
  kernels.takes_factors = TakesFactors<R>;
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
