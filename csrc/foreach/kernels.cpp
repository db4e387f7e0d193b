// The loops of elementwise operations and norms. Compiled once for each instruction set.
#include "foreach/kernel_table.hpp"

#include <cstddef>

#include "simd/element.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

/// Calls change(i, param, grad, wide, copy) for every element.
template <class T, class Change>
void each_element(const ForeachSpan& part, const Change& change) {
  T* const param = static_cast<T*>(part.param);
  const T* const grad = static_cast<const T*>(part.grad);
  auto* const wide = static_cast<Arithmetic<T>*>(part.wide);
  T* const copy = static_cast<T*>(part.copy);
#pragma omp simd
  for (std::size_t i = 0; i < part.size; ++i) change(i, param, grad, wide, copy);
}

/// Whether a number is in the range of F's normal numbers, or 0.
template <class F>
bool fits(double x) {
  const double size = magnitude(x);
  return sizeof(F) == sizeof(double) || size == 0 ||
         (size >= double(__FLT_MIN__) && size <= double(__FLT_MAX__));
}

/// Calls work(numbers ...) with numbers of the dtype of arithmetic, or with doubles if it cannot
/// hold them. Elements are then computed in double.
template <class T, class Work, class... Doubles>
void with_numbers(const Work& work, Doubles... numbers) {
  using F = Arithmetic<T>;
  if ((fits<F>(numbers) && ...))
    work(F(numbers)...);
  else
    work(numbers...);
}

template <class T>
void set_scaled(const ForeachSpan& part, double weight, double /*unused*/) {
  using F = Arithmetic<T>;
  const auto run = [&](auto w) {
    each_element<T>(part, [=](std::size_t i, T* /*p*/, const T* g, F* sum, T* /*copy*/) {
      sum[i] = F(w * load(g[i]));
    });
  };
  with_numbers<T>(run, weight);
}

template <class T>
void add_scaled(const ForeachSpan& part, double weight, double /*unused*/) {
  using F = Arithmetic<T>;
  const auto run = [&](auto w) {
    each_element<T>(part, [=](std::size_t i, T* /*p*/, const T* g, F* sum, T* /*copy*/) {
      sum[i] = F(sum[i] + w * load(g[i]));
    });
  };
  with_numbers<T>(run, weight);
}

template <class T>
void load_params(const ForeachSpan& part, double /*unused*/, double /*unused*/) {
  each_element<T>(part, [](std::size_t i, T* p, const T* /*g*/, auto* wide, T* /*copy*/) {
    wide[i] = load(p[i]);
  });
}

template <class T>
void store_params(const ForeachSpan& part, double /*unused*/, double /*unused*/) {
  each_element<T>(part, [](std::size_t i, T* p, const T* /*g*/, auto* wide, T* /*copy*/) {
    store(p[i], wide[i]);
  });
}

template <class T, bool Store>
void lerp(const ForeachSpan& part, double weight, double /*unused*/) {
  using F = Arithmetic<T>;
  const auto run = [&](auto w) {
    each_element<T>(part, [=](std::size_t i, T* p, const T* /*g*/, F* mean, T* /*copy*/) {
      const F moved = F(mean[i] + w * (load(p[i]) - mean[i]));
      mean[i] = moved;
      if constexpr (Store) store(p[i], moved);
    });
  };
  with_numbers<T>(run, weight);
}

template <class T>
void round_scaled(const ForeachSpan& part, double factor, double /*unused*/) {
  using F = Arithmetic<T>;
  const auto run = [&](auto f) {
    each_element<T>(part, [=](std::size_t i, T* /*p*/, const T* /*g*/, F* wide, T* copy) {
      store(copy[i], F(f * wide[i]));
    });
  };
  with_numbers<T>(run, factor);
}

template <class T>
void scale(const ForeachSpan& part, double factor, double /*unused*/) {
  using F = Arithmetic<T>;
  const auto run = [&](auto f) {
    each_element<T>(part, [=](std::size_t i, T* /*p*/, const T* g, F* /*wide*/, T* copy) {
      store(copy[i], F(f * load(g[i])));
    });
  };
  with_numbers<T>(run, factor);
}

template <class T>
void perturb(const ForeachSpan& part, double factor, double /*unused*/) {
  using F = Arithmetic<T>;
  const auto run = [&](auto f) {
    each_element<T>(part, [=](std::size_t i, T* p, const T* g, F* /*wide*/, T* copy) {
      const T before = p[i];
      copy[i] = before;
      store(p[i], F(load(before) + f * load(g[i])));
    });
  };
  with_numbers<T>(run, factor);
}

/// In double, because float32 may not hold the square of a magnitude.
template <class T>
void perturb_adaptive(const ForeachSpan& part, double factor, double eta) {
  using F = Arithmetic<T>;
  each_element<T>(part, [=](std::size_t i, T* p, const T* g, F* /*wide*/, T* copy) {
    const T before = p[i];
    const double param = load(before), size = magnitude(param) + eta;
    copy[i] = before;
    store(p[i], F(param + factor * size * load(g[i]) * size));
  });
}

template <class T>
void soft_threshold(const ForeachSpan& part, double threshold, double factor) {
  using F = Arithmetic<T>;
  const auto run = [&](auto limit, auto f) {
    each_element<T>(part, [=](std::size_t i, T* p, const T* /*g*/, F* /*wide*/, T* /*copy*/) {
      const F param = load(p[i]), size = magnitude(param);
      store(p[i], size <= limit ? F(0) : F(f * (param - limit * sign(param))));
    });
  };
  with_numbers<T>(run, threshold, factor);
}

template <class T>
void project_orthant(const ForeachSpan& part, double /*unused*/, double /*unused*/) {
  using F = Arithmetic<T>;
  each_element<T>(part, [=](std::size_t i, T* p, const T* /*g*/, auto* /*wide*/, T* orthant) {
    const F param = load(p[i]);
    store(p[i], sign(param) * load(orthant[i]) <= 0 ? F(0) : param);  // NaN stays
  });
}

template <class T>
double penalize(const ForeachSpan& part, void* sum, double l1, double l2) {
  using F = Arithmetic<T>;
  const T* const param = static_cast<const T*>(part.param);
  T* const grad = static_cast<T*>(sum);
  T* const orthant = static_cast<T*>(part.copy);
  double sum_of_all = 0;
  const auto run = [&](auto lasso, auto ridge) {
    using W = decltype(lasso);
    sum_of_all = sum_in_lanes(part.size, [=](std::size_t i) {
      const F p = load(param[i]), g = load(grad[i]);
      // At 0 every number from -l1 to l1 is a subgradient. The one that minimizes the total is
      // used.
      const W at_zero = magnitude(g) <= lasso ? W(0) : g - lasso * sign(g);
      const W total = p == 0 ? at_zero : g + (lasso * sign(p) + ridge * p);
      store(grad[i], F(total));
      store(orthant[i], F(p == 0 ? -sign(at_zero) : W(sign(p))));
      return l1 * double(magnitude(p)) + 0.5 * l2 * (double(p) * double(p));
    });
  };
  with_numbers<T>(run, l1, l2);
  return sum_of_all;
}

template <class T>
double adaptive_square_sum(const void* param, const void* grad, double eta, std::size_t size) {
  const T* const p = static_cast<const T*>(param);
  const T* const g = static_cast<const T*>(grad);
  return sum_in_lanes(size, [=](std::size_t i) {
    const double value = (magnitude(double(load(p[i]))) + eta) * double(load(g[i]));
    return value * value;
  });
}

template <class T>
void column_square_sums(const void* values, double* sums, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    const T* const x = static_cast<const T*>(values) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      const auto value = double(load(x[j]));
      sums[j] += value * value;
    }
  }
}

template <class T, class Wide>
void scale_columns_in(const void* grad, void* copy, const double* factors, std::size_t rows,
                      std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    const T* const g = static_cast<const T*>(grad) + i * columns;
    T* const out = static_cast<T*>(copy) + i * columns;
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j)
      store(out[j], Arithmetic<T>(Wide(factors[j]) * load(g[j])));
  }
}

template <class T>
void scale_columns(const void* grad, void* copy, const double* factors, std::size_t rows,
                   std::size_t columns) {
  bool all_fit = true;
  for (std::size_t j = 0; j < columns; ++j) all_fit = all_fit && fits<Arithmetic<T>>(factors[j]);
  (all_fit ? scale_columns_in<T, Arithmetic<T>> : scale_columns_in<T, double>)(grad, copy, factors,
                                                                               rows, columns);
}

template <class T>
double square_sum(const void* values, std::size_t size) {
  const T* const x = static_cast<const T*>(values);
  return sum_in_lanes(size, [=](std::size_t i) {
    const auto value = double(load(x[i]));
    return value * value;
  });
}

/// The largest magnitude; NaN if a value is NaN.
template <class T>
double max_magnitude(const void* values, std::size_t size) {
  const T* const x = static_cast<const T*>(values);
  double max = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double value = magnitude(double(load(x[i])));
    max = max != max || value <= max ? max : value;
  }
  return max;
}

template <class T>
constexpr ForeachKernels table = {
    .set_scaled = set_scaled<T>,
    .add_scaled = add_scaled<T>,
    .load_params = load_params<T>,
    .store_params = store_params<T>,
    .lerp = lerp<T, false>,
    .lerp_and_store = lerp<T, true>,
    .round_scaled = round_scaled<T>,
    .scale = scale<T>,
    .perturb = perturb<T>,
    .perturb_adaptive = perturb_adaptive<T>,
    .soft_threshold = soft_threshold<T>,
    .project_orthant = project_orthant<T>,
    .penalize = penalize<T>,
    .square_sum = square_sum<T>,
    .max_magnitude = max_magnitude<T>,
    .adaptive_square_sum = adaptive_square_sum<T>,
    .column_square_sums = column_square_sums<T>,
    .scale_columns = scale_columns<T>,
};

}  // namespace

extern const ForeachTable foreach_table;
constinit const ForeachTable foreach_table = {table<float>, table<double>, table<bfloat16>};

}  // namespace pyoptim::PYOPTIM_ISA
