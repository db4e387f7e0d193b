#include "embedding/embedding.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "core/dispatch.hpp"
#include "core/row_blocks.hpp"
#include "core/text.hpp"

namespace pyoptim {

PYOPTIM_PER_ISA(EmbeddingTable, embedding_table);

namespace {

const EmbeddingKernels& kernels(DType dtype) {
  return embedding_table.current()[dtype == DType::float64 ? 1 : 0];
}

template <class Pointer>
Pointer* advanced(Pointer* pointer, std::size_t elements, DType dtype) {
  using Byte = std::conditional_t<std::is_const_v<Pointer>, const std::byte, std::byte>;
  return pointer == nullptr ? nullptr : static_cast<Byte*>(pointer) + elements * item_size(dtype);
}

/// Calls work(block) for blocks of rows with about `elements_of_row` elements each, and returns the
/// sum of the results.
template <class Work>
double over_blocks(std::size_t rows, std::size_t elements_of_row, DType dtype, const Work& work) {
  const Matrix matrix{nullptr, rows, std::max<std::size_t>(1, elements_of_row), dtype};
  const Blocks blocks(matrix);
  std::vector<double> sums(blocks.count());
  const Team team(elements_for_threads(matrix), 0);
  parallel_for(team.threads(), blocks.count(), 1, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) sums[i] = work(blocks[i]);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

RowPenalty from_row(const RowPenalty& penalty, std::size_t row) {
  return {penalty.l2, penalty.scale, penalty.weights == nullptr ? nullptr : penalty.weights + row};
}

/// The outputs from entry number `entry` on.
RowValues from_entry(const RowValues& to, std::size_t entry, std::size_t rank, DType dtype) {
  RowValues values{};
  for (int side = 0; side < 2; ++side) {
    values.embeddings[side] = advanced(to.embeddings[side], entry * rank, dtype);
    values.bias[side] = advanced(to.bias[side], entry, dtype);
  }
  return values;
}

/// The number of a block's first entry. Offsets count from the first entry of the batch.
std::size_t first_entry(const Entries& entries, const Block& block) {
  return entries.offsets == nullptr ? block.first_row * entries.each : 0;
}

Entries of_block(const Entries& entries, const Block& block, DType dtype) {
  const std::size_t first = first_entry(entries, block);
  Entries part = entries;
  if (part.offsets != nullptr) part.offsets += block.first_row;
  part.ids += first;
  part.values = advanced(entries.values, first, dtype);
  part.rows = block.rows;
  return part;
}

/// The average number of elements of a batch row, with `columns` for each entry.
std::size_t elements_of_row(const Entries& entries, std::size_t columns) {
  if (entries.offsets == nullptr) return entries.each * columns;
  const auto size = std::size_t(entries.offsets[entries.rows]);
  return size / std::max<std::size_t>(1, entries.rows) * columns;
}

}  // namespace

void check_numbers(const std::int64_t* numbers, std::size_t size, std::size_t stride,
                   std::size_t each, std::size_t count, const std::string& what) {
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < size; ++i)
    wrong |= std::uint64_t(std::uint64_t(numbers[i * stride]) >= std::uint64_t(count));
  if (wrong == 0) return;
  std::size_t i = 0;
  while (std::uint64_t(numbers[i * stride]) < std::uint64_t(count)) ++i;
  const std::string at = each > 0 ? " at row " + std::to_string(i / each) : "";
  throw std::invalid_argument("x: expected " + what + " from 0 to " +
                              std::to_string(std::int64_t(count) - 1) + ", got " +
                              index_text(numbers[i * stride]) + at);
}

double mean_scale(const double* weights, std::size_t rows) {
  const double sum =
      weights == nullptr ? double(rows) : std::accumulate(weights, weights + rows, 0.0);
  return sum > 0 ? 1 / sum : 0;
}

void pair_scores(DType dtype, const PairTables& tables, const std::int64_t* pairs, void* scores,
                 std::size_t rows) {
  over_blocks(rows, tables.rank, dtype, [&](const Block& block) {
    kernels(dtype).pair_scores(tables, pairs + 2 * block.first_row,
                               advanced(scores, block.first_row, dtype), block.rows);
    return 0.0;
  });
}

double pair_grads(DType dtype, const PairTables& tables, const std::int64_t* pairs,
                  const void* grad, const RowPenalty& penalty, const RowValues& to,
                  std::size_t rows) {
  return over_blocks(rows, 2 * tables.rank, dtype, [&](const Block& block) {
    const std::size_t first = block.first_row;
    return kernels(dtype).pair_grads(tables, pairs + 2 * first, advanced(grad, first, dtype),
                                     from_row(penalty, first),
                                     from_entry(to, first, tables.rank, dtype), block.rows);
  });
}

void feature_scores(DType dtype, const FeatureTables& tables, const Entries& entries, void* sums,
                    void* scores) {
  over_blocks(entries.rows, elements_of_row(entries, tables.rank), dtype, [&](const Block& block) {
    kernels(dtype).feature_scores(tables, of_block(entries, block, dtype),
                                  advanced(sums, block.first_row * tables.rank, dtype),
                                  advanced(scores, block.first_row, dtype));
    return 0.0;
  });
}

double feature_grads(DType dtype, const FeatureTables& tables, const Entries& entries,
                     const void* sums, const void* grad, const RowPenalty& penalty,
                     const RowValues& to) {
  const std::size_t rank = tables.rank;
  return over_blocks(entries.rows, elements_of_row(entries, rank), dtype, [&](const Block& block) {
    const std::size_t first = block.first_row;
    return kernels(dtype).feature_grads(tables, of_block(entries, block, dtype),
                                        advanced(sums, first * rank, dtype),
                                        advanced(grad, first, dtype), from_row(penalty, first),
                                        from_entry(to, first_entry(entries, block), rank, dtype));
  });
}

void bag_inputs(DType dtype, const void* table, const Entries& entries, const BagShape& shape,
                void* inputs) {
  over_blocks(entries.rows, elements_of_row(entries, shape.columns), dtype,
              [&](const Block& block) {
                kernels(dtype).bag_inputs(table, of_block(entries, block, dtype), shape,
                                          advanced(inputs, block.first_row * shape.stride, dtype));
                return 0.0;
              });
}

double bag_grads(DType dtype, const void* table, const Entries& entries, const BagShape& shape,
                 const void* grad, const RowPenalty& penalty, void* values) {
  return over_blocks(entries.rows, elements_of_row(entries, shape.columns), dtype,
                     [&](const Block& block) {
                       const std::size_t first = block.first_row;
                       return kernels(dtype).bag_grads(
                           table, of_block(entries, block, dtype), shape,
                           advanced(grad, first * shape.stride, dtype), from_row(penalty, first),
                           advanced(values, first_entry(entries, block) * shape.columns, dtype));
                     });
}

double sum_of_grads(DType dtype, const void* grad, std::size_t size) {
  return kernels(dtype).sum(grad, size);
}

}  // namespace pyoptim
