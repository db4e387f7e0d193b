#include "linalg/spmm.hpp"

#include <stdexcept>
#include <string>
#include <vector>

#include "core/dispatch.hpp"
#include "core/parallel.hpp"
#include "core/row_blocks.hpp"
#include "linalg/kernel_table.hpp"

namespace pyoptim {

PYOPTIM_PER_ISA(SpmmTable, spmm_table);

namespace {

constexpr std::size_t max_rows = 4096;  // that a thread takes at a time

const SpmmKernels& kernels(DType dtype) {
  return spmm_table.current()[dtype == DType::float64 ? 1 : 0];
}

/// Checks that no index is out of bounds.
template <class Index>
void check(const CsrMatrix& x) {
  bool right = x.starts[0] >= 0 && x.starts[x.rows] <= std::int64_t(x.size);
  for (std::size_t i = 0; i < x.rows; ++i) right &= x.starts[i] <= x.starts[i + 1];
  if (!right)
    throw std::invalid_argument("indptr: expected rising numbers, up to the number of values");
  const auto* const index = static_cast<const Index*>(x.indices);
  for (std::int64_t k = x.starts[0]; k < x.starts[x.rows]; ++k)
    right &= std::uint64_t(index[k]) < x.columns;
  if (!right)
    throw std::invalid_argument("indices: expected numbers from 0 to " +
                                std::to_string(std::int64_t(x.columns) - 1));
}

/// The number of multiplications that the number of threads is computed from; 0 if there are few.
std::size_t for_threads(std::size_t multiplications) {
  return multiplications < threads_from ? 0 : multiplications;
}

const std::byte* at(const void* data, std::int64_t index, std::size_t item) {
  return static_cast<const std::byte*>(data) + std::size_t(index) * item;
}

/// The entries of a matrix sorted by column, then by row. Reused from call to call.
template <class F>
struct ByColumns {
  std::vector<std::int64_t> starts, rows;
  std::vector<F> values;

  template <class Index>
  void sort(const CsrMatrix& x) {
    const auto* const index = static_cast<const Index*>(x.indices);
    const F* const value = static_cast<const F*>(x.values);
    const std::int64_t first = x.starts[0], last = x.starts[x.rows];
    // Starts are two places ahead: filling a column moves its start to the next column's.
    starts.assign(x.columns + 2, 0);
    for (std::int64_t k = first; k < last; ++k) ++starts[std::size_t(index[k]) + 2];
    for (std::size_t j = 2; j < starts.size(); ++j) starts[j] += starts[j - 1];
    rows.resize(std::size_t(last - first));
    values.resize(rows.size());
    for (std::size_t i = 0; i < x.rows; ++i)
      for (std::int64_t k = x.starts[i]; k < x.starts[i + 1]; ++k) {
        const auto place = std::size_t(starts[std::size_t(index[k]) + 1]++);
        rows[place] = std::int64_t(i);
        values[place] = value[k];
      }
  }
};

template <class F, class Index>
void multiply(const CsrMatrix& x, const Matrix& w, void* out) {
  check<Index>(x);
  const auto sum = kernels(x.dtype).weighted_sum[sizeof(Index) == 8 ? 1 : 0];
  const auto entries = std::size_t(x.starts[x.rows] - x.starts[0]);
  const Team team(for_threads(entries * w.columns), 0);
  parallel_for(team.threads(), x.rows, 1, max_rows, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::int64_t start = x.starts[i];
      sum(w.data, at(x.indices, start, sizeof(Index)), at(x.values, start, sizeof(F)),
          std::size_t(x.starts[i + 1] - start), static_cast<F*>(out) + i * w.columns, w.columns);
    }
  });
}

/// The entries of the calling thread.
template <class F>
ByColumns<F>& cached_entries() {
  thread_local ByColumns<F> cached;
  return cached;
}

template <class F, class Index>
void reserve(const CsrMatrix& x) {
  check<Index>(x);
  ByColumns<F>& cached = cached_entries<F>();
  const auto entries = std::size_t(x.starts[x.rows] - x.starts[0]);
  cached.starts.reserve(x.columns + 2);
  cached.rows.reserve(entries);
  cached.values.reserve(entries);
}

template <class F, class Index>
void multiply_transposed(const CsrMatrix& x, const Matrix& d, void* out) {
  check<Index>(x);
  ByColumns<F>& cached = cached_entries<F>();
  const ByColumns<F>& entries = cached;
  cached.template sort<Index>(x);
  const auto sum = kernels(x.dtype).weighted_sum[1];
  const Team team(for_threads((entries.rows.size() + x.columns) * d.columns), 0);
  parallel_for(team.threads(), x.columns, 1, max_rows, [&](std::size_t begin, std::size_t end) {
    for (std::size_t j = begin; j < end; ++j) {
      const std::int64_t start = entries.starts[j];
      sum(d.data, entries.rows.data() + start, entries.values.data() + start,
          std::size_t(entries.starts[j + 1] - start), static_cast<F*>(out) + j * d.columns,
          d.columns);
    }
  });
}

}  // namespace

void spmm(const CsrMatrix& x, const Matrix& w, void* out) {
  if (x.dtype == DType::float64)
    x.wide ? multiply<double, std::int64_t>(x, w, out) : multiply<double, std::int32_t>(x, w, out);
  else
    x.wide ? multiply<float, std::int64_t>(x, w, out) : multiply<float, std::int32_t>(x, w, out);
}

void spmm_transposed(const CsrMatrix& x, const Matrix& d, void* out) {
  if (x.dtype == DType::float64)
    x.wide ? multiply_transposed<double, std::int64_t>(x, d, out)
           : multiply_transposed<double, std::int32_t>(x, d, out);
  else
    x.wide ? multiply_transposed<float, std::int64_t>(x, d, out)
           : multiply_transposed<float, std::int32_t>(x, d, out);
}

void reserve_spmm_transposed(const CsrMatrix& x) {
  if (x.dtype == DType::float64)
    x.wide ? reserve<double, std::int64_t>(x) : reserve<double, std::int32_t>(x);
  else
    x.wide ? reserve<float, std::int64_t>(x) : reserve<float, std::int32_t>(x);
}

}  // namespace pyoptim
