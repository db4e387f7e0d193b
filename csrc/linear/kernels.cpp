// Products of rows of a design matrix with vectors. Compiled once for each instruction set.
#include "linear/kernel_table.hpp"

#include <cstddef>
#include <utility>

#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

constexpr std::size_t width = register_bytes / sizeof(double);
constexpr std::size_t parts = lanes / width;  // vectors that hold 16 sums
#if defined(__AVX512F__)
constexpr std::size_t registers = 16;  // for sums: half of all registers
#else
constexpr std::size_t registers = 8;
#endif
constexpr std::size_t rows_at_once = parts < registers ? registers / parts : 1;

using Vector = Register<double>::type;

/// Consecutive numbers as doubles.
[[gnu::always_inline]] inline Vector widen(const double* from) {
  Vector vector;
  __builtin_memcpy(&vector, from, sizeof(vector));
  return vector;
}
/// GCC 12 would convert each pair of floats separately.
[[gnu::always_inline]] inline Vector widen(const float* from) {
  Vector vector;
#if defined(__AVX__)
  struct Values {
    float value[width];
  };
  asm("vcvtps2pd %1, %0" : "=v"(vector) : "m"(*reinterpret_cast<const Values*>(from)));
#else
  for (std::size_t j = 0; j < width; ++j) vector[j] = double(from[j]);
#endif
  return vector;
}

/// The first `size` numbers, padded with zeros.
template <class T>
[[gnu::always_inline]] inline Vector widen(const T* from, std::size_t size) {
  T values[width];
#pragma omp simd
  for (std::size_t j = 0; j < width; ++j) values[j] = j < size ? from[j] : T(0);
  return widen(values);
}

/// Adds the elements as a tree: first elements `half` apart, then half as far apart, and so on.
[[gnu::always_inline]] inline double folded(const Vector& sums) {
  double value[width];
  __builtin_memcpy(value, &sums, sizeof(value));
  for (std::size_t half = width / 2; half > 0; half /= 2)
    for (std::size_t j = 0; j < half; ++j) value[j] += value[j + half];
  return value[0];
}

template <std::size_t Half, std::size_t... J>
[[gnu::always_inline]] inline Vector fold_pair(const Vector& a, const Vector& b,
                                               std::index_sequence<J...> /*lanes*/) {
  // Groups of 2 Half elements of both vectors become groups of Half sums.
  return __builtin_shufflevector(a, b, int(J / Half * 2 * Half + J % Half)...) +
         __builtin_shufflevector(a, b, int(J / Half * 2 * Half + J % Half + Half)...);
}

/// The same tree for as many vectors as a vector has elements. Sum i becomes element i.
template <std::size_t Count>
[[gnu::always_inline]] inline Vector fold_all(const Vector (&sums)[Count]) {
  if constexpr (Count == 1) {
    return sums[0];
  } else {
    Vector half[Count / 2];
    for (std::size_t i = 0; i < Count / 2; ++i)
      half[i] =
          fold_pair<Count / 2>(sums[2 * i], sums[2 * i + 1], std::make_index_sequence<width>());
    return fold_all(half);
  }
}

template <class T, std::size_t Rows>
void scores_of_rows(const DenseRows& x, std::size_t first, const double* coef,
                    const PerRow& scores) {
  const T* row[Rows];
  for (std::size_t i = 0; i < Rows; ++i)
    row[i] = static_cast<const T*>(x.values) + std::ptrdiff_t(first + i) * x.stride;
  Vector sums[Rows][parts] = {};
  std::size_t j = 0;
  for (; j + lanes <= x.columns; j += lanes)
    for (std::size_t k = 0; k < parts; ++k) {
      const Vector factor = widen(coef + j + k * width);
      for (std::size_t i = 0; i < Rows; ++i) sums[i][k] += widen(row[i] + j + k * width) * factor;
    }
  for (std::size_t k = 0; k < parts && j < x.columns; ++k, j += width) {
    const std::size_t rest = smaller(width, x.columns - j);
    const Vector factor = widen(coef + j, rest);
    for (std::size_t i = 0; i < Rows; ++i) sums[i][k] += widen(row[i] + j, rest) * factor;
  }
  Vector sum[Rows];
  for (std::size_t i = 0; i < Rows; ++i) {
    for (std::size_t half = parts / 2; half > 0; half /= 2)
      for (std::size_t k = 0; k < half; ++k) sums[i][k] += sums[i][k + half];
    sum[i] = sums[i][0];
  }
  double value[Rows];
  if constexpr (Rows == width) {
    const Vector all = fold_all(sum);
    __builtin_memcpy(value, &all, sizeof(value));
  } else {
    for (std::size_t i = 0; i < Rows; ++i) value[i] = folded(sum[i]);
  }
  for (std::size_t i = 0; i < Rows; ++i)
    scores.data[std::ptrdiff_t(first + i) * scores.stride] += value[i];
}

template <class T>
void scores(const DenseRows& x, const double* coef, const PerRow& scores) {
  std::size_t i = 0;
  for (; i + rows_at_once <= x.rows; i += rows_at_once)
    scores_of_rows<T, rows_at_once>(x, i, coef, scores);
  for (; i < x.rows; ++i) scores_of_rows<T, 1>(x, i, coef, scores);
}

template <class T, std::size_t Rows>
void transposed_of_rows(const DenseRows& x, std::size_t first, const PerRow& factors,
                        double* sums) {
  const T* row[Rows];
  double factor[Rows];
  for (std::size_t i = 0; i < Rows; ++i) {
    row[i] = static_cast<const T*>(x.values) + std::ptrdiff_t(first + i) * x.stride;
    factor[i] = factors.data[std::ptrdiff_t(first + i) * factors.stride];
  }
  const std::size_t whole = x.columns - x.columns % width;
  for (std::size_t j = 0; j < whole; j += width) {
    Vector sum;
    __builtin_memcpy(&sum, sums + j, sizeof(sum));
    for (std::size_t i = 0; i < Rows; ++i) sum += widen(row[i] + j) * factor[i];
    __builtin_memcpy(sums + j, &sum, sizeof(sum));
  }
  for (std::size_t j = whole; j < x.columns; ++j)
    for (std::size_t i = 0; i < Rows; ++i) sums[j] += double(row[i][j]) * factor[i];
}

template <class T>
void transposed(const DenseRows& x, const PerRow& factors, double* sums) {
  constexpr std::size_t together = 8;
  std::size_t i = 0;
  for (; i + together <= x.rows; i += together)
    transposed_of_rows<T, together>(x, i, factors, sums);
  for (; i < x.rows; ++i) transposed_of_rows<T, 1>(x, i, factors, sums);
}

/// Entry k of a row is added in lane k modulo 4. Four lanes keep as many additions in flight as the
/// processor can.
template <class T, class Index>
void sparse_scores(const SparseRows& x, const double* coef, const PerRow& scores) {
  const T* const values = static_cast<const T*>(x.values);
  const auto* const indices = static_cast<const Index*>(x.indices);
  for (std::size_t i = 0; i < x.rows; ++i) {
    std::int64_t k = x.starts[i];
    const std::int64_t end = x.starts[i + 1];
    double sum[4] = {};
    for (; k + 4 <= end; k += 4)
      for (int lane = 0; lane < 4; ++lane)
        sum[lane] += double(values[k + lane]) * coef[std::size_t(indices[k + lane])];
    for (int lane = 0; k < end; ++k, ++lane)
      sum[lane] += double(values[k]) * coef[std::size_t(indices[k])];
    scores.data[std::ptrdiff_t(i) * scores.stride] += (sum[0] + sum[2]) + (sum[1] + sum[3]);
  }
}

template <class T, class Index>
void sparse_transposed(const SparseRows& x, const PerRow& factors, double* sums) {
  const T* const values = static_cast<const T*>(x.values);
  const auto* const indices = static_cast<const Index*>(x.indices);
  for (std::size_t i = 0; i < x.rows; ++i) {
    const double factor = factors.data[std::ptrdiff_t(i) * factors.stride];
    const std::int64_t end = x.starts[i + 1];
    for (std::int64_t k = x.starts[i]; k < end; ++k)
      sums[std::size_t(indices[k])] += double(values[k]) * factor;
  }
}

template <class T>
void scale_rows(const DenseRows& x, const PerRow& factors, void* scaled) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    const T* const from = static_cast<const T*>(x.values) + std::ptrdiff_t(i) * x.stride;
    T* const to = static_cast<T*>(scaled) + i * x.columns;
    const T factor = T(factors.data[std::ptrdiff_t(i) * factors.stride]);
#pragma omp simd
    for (std::size_t j = 0; j < x.columns; ++j) to[j] = factor * from[j];
  }
}

template <class T>
void squares(const DenseRows& x, const PerRow& factors, const double* center, double* sums) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    const T* const row = static_cast<const T*>(x.values) + std::ptrdiff_t(i) * x.stride;
    const double factor = factors.data[std::ptrdiff_t(i) * factors.stride];
#pragma omp simd
    for (std::size_t j = 0; j < x.columns; ++j) {
      const double distance = double(row[j]) - center[j];
      sums[j] += factor * distance * distance;
    }
  }
}

template <class T, class Index>
void sparse_squares(const SparseRows& x, const PerRow& factors, const double* center,
                    double* sums) {
  const T* const values = static_cast<const T*>(x.values);
  const auto* const indices = static_cast<const Index*>(x.indices);
  for (std::size_t i = 0; i < x.rows; ++i) {
    const double factor = factors.data[std::ptrdiff_t(i) * factors.stride];
    for (std::int64_t k = x.starts[i]; k < x.starts[i + 1]; ++k) {
      const auto j = std::size_t(indices[k]);
      const auto value = double(values[k]);
      sums[j] += factor * (value * (value - 2 * center[j]));
    }
  }
}

template <class T, class Index>
void sparse_gram(const SparseRows& x, const PerRow& factors, double* sums, std::size_t columns) {
  const T* const values = static_cast<const T*>(x.values);
  const auto* const indices = static_cast<const Index*>(x.indices);
  for (std::size_t i = 0; i < x.rows; ++i) {
    const double factor = factors.data[std::ptrdiff_t(i) * factors.stride];
    for (std::int64_t k = x.starts[i]; k < x.starts[i + 1]; ++k) {
      const auto a = std::size_t(indices[k]);
      const double scaled = factor * double(values[k]);
      for (std::int64_t l = x.starts[i]; l < x.starts[i + 1]; ++l) {
        const auto b = std::size_t(indices[l]);
        if (b >= a) sums[a * columns + b] += scaled * double(values[l]);
      }
    }
  }
}

template <class T>
constexpr LinearKernels table = {
    .scores = scores<T>,
    .transposed = transposed<T>,
    .sparse_scores = {sparse_scores<T, std::int32_t>, sparse_scores<T, std::int64_t>},
    .sparse_transposed = {sparse_transposed<T, std::int32_t>, sparse_transposed<T, std::int64_t>},
    .scale_rows = scale_rows<T>,
    .squares = squares<T>,
    .sparse_squares = {sparse_squares<T, std::int32_t>, sparse_squares<T, std::int64_t>},
    .sparse_gram = {sparse_gram<T, std::int32_t>, sparse_gram<T, std::int64_t>},
};

}  // namespace

extern const LinearTable linear_table;
constinit const LinearTable linear_table = {table<float>, table<double>};

}  // namespace pyoptim::PYOPTIM_ISA
