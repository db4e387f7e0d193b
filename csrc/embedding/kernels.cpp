// The loops of models with embedding tables: matrix factorization, factorization machines and
// embedding bags. Compiled once for each instruction set.
#include "embedding/kernel_table.hpp"

#include <cstddef>
#include <cstdint>

#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

constexpr std::size_t max_columns = 64;  // of a row, that are summed at a time

/// The number of columns that are summed together, starting at `first`.
std::size_t part_from(std::size_t first, std::size_t columns) {
  return columns - first < max_columns ? columns - first : max_columns;
}

template <class F>
const F* row_of(const void* table, std::int64_t row, std::size_t columns) {
  return static_cast<const F*>(table) + std::size_t(row) * columns;
}

/// The dot product, in lanes that are added as a tree.
template <class F>
double dot(const F* p, const F* q, std::size_t size) {
  Lanes<Combination::sum, F> sums;
  F terms[lanes];
  by_lanes(
      size, [&](std::size_t i, std::size_t j) { terms[j] = p[i] * q[i]; },
      [&](std::size_t j) { terms[j] = 0; }, [&] { sums.add(terms); });
  return sums.folded();
}

/// The weight of a batch row in the penalty.
double row_scale(const RowPenalty& penalty, std::size_t row) {
  return penalty.weights == nullptr ? penalty.scale : penalty.scale * penalty.weights[row];
}

/// The penalty l2/2 |row|^2 of a table row, with the weight of the batch row that uses it.
template <class F>
double penalty_of(const RowPenalty& penalty, double penalty_scale, const F* row, std::size_t size) {
  return penalty.l2 > 0 ? penalty.l2 / 2 * penalty_scale * dot(row, row, size) : 0;
}

template <class F>
void pair_scores(const PairTables& tables, const std::int64_t* pairs, void* score_rows,
                 std::size_t rows) {
  const F* const bias[] = {static_cast<const F*>(tables.bias[0]),
                           static_cast<const F*>(tables.bias[1])};
  const F* const seen[] = {static_cast<const F*>(tables.seen[0]),
                           static_cast<const F*>(tables.seen[1])};
  F* const scores = static_cast<F*>(score_rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const std::int64_t a = pairs[2 * i], b = pairs[2 * i + 1];
    double score = tables.mean + double(bias[0][a]) + double(bias[1][b]);
    if (seen[0] == nullptr || (seen[0][a] != 0 && seen[1][b] != 0))
      score += dot(row_of<F>(tables.embeddings[0], a, tables.rank),
                   row_of<F>(tables.embeddings[1], b, tables.rank), tables.rank);
    scores[i] = F(score);
  }
}

template <class F>
double pair_grads(const PairTables& tables, const std::int64_t* pairs, const void* grads,
                  const RowPenalty& penalty, const RowValues& to, std::size_t rows) {
  const F* const grad = static_cast<const F*>(grads);
  const std::size_t rank = tables.rank;
  double sum = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::int64_t a = pairs[2 * i], b = pairs[2 * i + 1];
    const F* const p = row_of<F>(tables.embeddings[0], a, rank);
    const F* const q = row_of<F>(tables.embeddings[1], b, rank);
    const F* const bias_p = row_of<F>(tables.bias[0], a, 1);
    const F* const bias_q = row_of<F>(tables.bias[1], b, 1);
    F* const p_grad = static_cast<F*>(to.embeddings[0]) + i * rank;
    F* const q_grad = static_cast<F*>(to.embeddings[1]) + i * rank;
    const double penalty_scale = row_scale(penalty, i);
    const F d = grad[i], l2 = F(penalty.l2 * penalty_scale);
#pragma omp simd
    for (std::size_t k = 0; k < rank; ++k) {
      p_grad[k] = d * q[k] + l2 * p[k];
      q_grad[k] = d * p[k] + l2 * q[k];
    }
    static_cast<F*>(to.bias[0])[i] = d + l2 * *bias_p;
    static_cast<F*>(to.bias[1])[i] = d + l2 * *bias_q;
    sum += penalty_of(penalty, penalty_scale, p, rank) +
           penalty_of(penalty, penalty_scale, q, rank) +
           penalty_of(penalty, penalty_scale, bias_p, 1) +
           penalty_of(penalty, penalty_scale, bias_q, 1);
  }
  return sum;
}

/// The entries of a row of the batch.
struct EntryRange {
  std::size_t first, last;
};

EntryRange of_row(const Entries& entries, std::size_t row) {
  if (entries.offsets == nullptr) return {row * entries.each, (row + 1) * entries.each};
  return {std::size_t(entries.offsets[row]), std::size_t(entries.offsets[row + 1])};
}

template <class F>
F value_of(const Entries& entries, std::size_t entry) {
  return entries.values == nullptr ? F(1) : static_cast<const F*>(entries.values)[entry];
}

/// Half of (the sum of values times embeddings)^2 minus the sum of their squares, which is the sum
/// over all pairs.
template <class F>
double interactions(const FeatureTables& tables, const Entries& entries, EntryRange range,
                    F* sums) {
  double total = 0;
  for (std::size_t first = 0; first < tables.rank; first += max_columns) {
    const std::size_t columns = part_from(first, tables.rank);
    double sum[max_columns] = {}, squares[max_columns] = {};
    for (std::size_t e = range.first; e < range.last; ++e) {
      const F* const embeddings = row_of<F>(tables.embeddings, entries.ids[e], tables.rank) + first;
      const auto x = double(value_of<F>(entries, e));
#pragma omp simd
      for (std::size_t k = 0; k < columns; ++k) {
        const double term = x * double(embeddings[k]);
        sum[k] += term;
        squares[k] += term * term;
      }
    }
#pragma omp simd
    for (std::size_t k = 0; k < columns; ++k) sums[first + k] = F(sum[k]);
    total += sum_in_lanes(columns, [&](std::size_t k) { return sum[k] * sum[k] - squares[k]; });
  }
  return total / 2;
}

template <class F>
void feature_scores(const FeatureTables& tables, const Entries& entries, void* sum_rows,
                    void* score_rows) {
  const F* const weights = static_cast<const F*>(tables.weights);
  F* const scores = static_cast<F*>(score_rows);
  F* const sums = static_cast<F*>(sum_rows);
  for (std::size_t i = 0; i < entries.rows; ++i) {
    const EntryRange range = of_row(entries, i);
    double score = tables.bias;
    for (std::size_t e = range.first; e < range.last; ++e)
      score += double(weights[entries.ids[e]]) * double(value_of<F>(entries, e));
    scores[i] = F(score + interactions(tables, entries, range, sums + i * tables.rank));
  }
}

template <class F>
double feature_grads(const FeatureTables& tables, const Entries& entries, const void* sum_rows,
                     const void* grads, const RowPenalty& penalty, const RowValues& to) {
  const std::size_t rank = tables.rank;
  double penalty_sum = 0;
  for (std::size_t i = 0; i < entries.rows; ++i) {
    const EntryRange range = of_row(entries, i);
    const F* const sums = static_cast<const F*>(sum_rows) + i * rank;
    const double penalty_scale = row_scale(penalty, i);
    const F l2 = F(penalty.l2 * penalty_scale);
    for (std::size_t e = range.first; e < range.last; ++e) {
      const F* const weight = row_of<F>(tables.weights, entries.ids[e], 1);
      const F* const embeddings = row_of<F>(tables.embeddings, entries.ids[e], rank);
      F* const values = static_cast<F*>(to.embeddings[0]) + e * rank;
      const F x = value_of<F>(entries, e), d = static_cast<const F*>(grads)[i] * x;
#pragma omp simd
      for (std::size_t k = 0; k < rank; ++k)
        values[k] = d * (sums[k] - x * embeddings[k]) + l2 * embeddings[k];
      static_cast<F*>(to.bias[0])[e] = d + l2 * *weight;
      penalty_sum += penalty_of(penalty, penalty_scale, embeddings, rank) +
                     penalty_of(penalty, penalty_scale, weight, 1);
    }
  }
  return penalty_sum;
}

/// The factor of the values of a bag: 1 over their sum for a mean, else 1.
template <class F>
double scale_of(const BagShape& shape, const Entries& entries, EntryRange range) {
  if (!shape.mean) return 1;
  double sum = 0;
  for (std::size_t e = range.first; e < range.last; ++e) sum += double(value_of<F>(entries, e));
  return sum != 0 ? 1 / sum : 0;
}

template <class F>
void bag_inputs(const void* table, const Entries& entries, const BagShape& shape, void* inputs) {
  for (std::size_t i = 0; i < entries.rows; ++i) {
    const EntryRange range = of_row(entries, i);
    const double scale = scale_of<F>(shape, entries, range);
    F* const to = static_cast<F*>(inputs) + i * shape.stride;
    for (std::size_t first = 0; first < shape.columns; first += max_columns) {
      const std::size_t columns = part_from(first, shape.columns);
      double sum[max_columns] = {};
      for (std::size_t e = range.first; e < range.last; ++e) {
        const F* const row = row_of<F>(table, entries.ids[e], shape.columns) + first;
        const double x = scale * double(value_of<F>(entries, e));
#pragma omp simd
        for (std::size_t k = 0; k < columns; ++k) sum[k] += x * double(row[k]);
      }
#pragma omp simd
      for (std::size_t k = 0; k < columns; ++k) to[first + k] = F(sum[k]);
    }
  }
}

template <class F>
double bag_grads(const void* table, const Entries& entries, const BagShape& shape,
                 const void* grads, const RowPenalty& penalty, void* values) {
  double penalty_sum = 0;
  for (std::size_t i = 0; i < entries.rows; ++i) {
    const EntryRange range = of_row(entries, i);
    const double scale = scale_of<F>(shape, entries, range);
    const F* const d = static_cast<const F*>(grads) + i * shape.stride;
    const double penalty_scale = row_scale(penalty, i);
    const F l2 = F(penalty.l2 * penalty_scale);
    for (std::size_t e = range.first; e < range.last; ++e) {
      const F* const row = row_of<F>(table, entries.ids[e], shape.columns);
      F* const to = static_cast<F*>(values) + e * shape.columns;
      const F x = F(scale * double(value_of<F>(entries, e)));
#pragma omp simd
      for (std::size_t k = 0; k < shape.columns; ++k) to[k] = x * d[k] + l2 * row[k];
      penalty_sum += penalty_of(penalty, penalty_scale, row, shape.columns);
    }
  }
  return penalty_sum;
}

template <class F>
double sum(const void* grad, std::size_t size) {
  const F* const d = static_cast<const F*>(grad);
  return sum_in_lanes(size, [=](std::size_t i) { return double(d[i]); });
}

template <class F>
constexpr EmbeddingKernels table = {
    .pair_scores = pair_scores<F>,
    .pair_grads = pair_grads<F>,
    .feature_scores = feature_scores<F>,
    .feature_grads = feature_grads<F>,
    .bag_inputs = bag_inputs<F>,
    .bag_grads = bag_grads<F>,
    .sum = sum<F>,
};

}  // namespace

extern const EmbeddingTable embedding_table;
constinit const EmbeddingTable embedding_table = {table<float>, table<double>};

}  // namespace pyoptim::PYOPTIM_ISA
