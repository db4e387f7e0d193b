#include "linear/moments.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "core/parallel.hpp"
#include "core/text.hpp"

namespace pyoptim {
namespace {

using Interval = Design::Interval;

/// out <- the sums that `work` adds for each tile, over chunks in order.
template <class Work>
void sum_tiles(const Design& design, double* out, const Work& work) {
  const std::size_t columns = design.columns(), chunks = design.chunks(columns);
  const LinearKernels& kernels = linear_table.current()[design.dtype() == DType::float64 ? 1 : 0];
  const int threads =
      int(std::min<std::size_t>(std::size_t(threads_for(design.elements(), 0)), chunks));
  std::vector<double> partials(chunks * columns);
  const std::size_t copied = design.copy_bytes(design.tile_rows());
  std::vector<std::byte> memory(std::size_t(threads) * copied);
  std::vector<double> factors(std::size_t(threads) * design.tile_rows());
  parallel_for(threads, chunks, 1, 1, [&](int thread, std::size_t begin, std::size_t end) {
    for (std::size_t index = begin; index < end; ++index) {
      const Interval chunk = design.chunk(index, chunks);
      for (std::size_t row = chunk.begin; row < chunk.end; row += design.tile_rows()) {
        const Interval rows{row, std::min(row + design.tile_rows(), chunk.end)};
        const DesignTile tile(design, kernels, rows, memory.data() + std::size_t(thread) * copied);
        work(tile, kernels, rows, factors.data() + std::size_t(thread) * design.tile_rows(),
             partials.data() + index * columns);
      }
    }
  });
  std::fill_n(out, columns, 0.0);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk)
    for (std::size_t j = 0; j < columns; ++j) out[j] += partials[chunk * columns + j];
}

}  // namespace

void column_moments(const Design& design, const double* weights, double* means, double* variances) {
  const std::size_t columns = design.columns();
  double sum = 0;
  for (std::size_t i = 0; i < design.rows(); ++i) sum += weights == nullptr ? 1 : weights[i];
  if (!(sum > 0 && sum < HUGE_VAL))
    throw std::invalid_argument("sample_weight: expected a finite sum above 0, got " + text(sum));
  // Calls add(run, factors) for runs of rows with nonzero weights.
  const auto over_runs = [&](const Interval& rows, double* factors, const auto& add) {
    for (std::size_t i = rows.begin; i < rows.end;) {
      std::size_t end = i;
      for (; end < rows.end && (weights == nullptr || weights[end] != 0); ++end)
        factors[end - rows.begin] = weights == nullptr ? 1 : weights[end];
      if (end > i)
        add(Interval{i - rows.begin, end - rows.begin}, PerRow{factors + (i - rows.begin), 1});
      i = end + 1;
    }
  };
  sum_tiles(design, means,
            [&](const DesignTile& tile, const LinearKernels& /*kernels*/, const Interval& rows,
                double* factors, double* sums) {
              over_runs(rows, factors, [&](const Interval& run, const PerRow& /*of_run*/) {
                tile.transposed(run, {factors, 1}, sums);
              });
            });
  for (std::size_t j = 0; j < columns; ++j) means[j] /= sum;
  sum_tiles(design, variances,
            [&](const DesignTile& tile, const LinearKernels& kernels, const Interval& rows,
                double* factors, double* sums) {
              over_runs(rows, factors, [&](const Interval& run, const PerRow& of_run) {
                if (design.sparse() == nullptr)
                  kernels.squares(tile.dense_part(run), of_run, means, sums);
                else
                  kernels.sparse_squares[design.index_kind()](tile.sparse_part(run), of_run, means,
                                                              sums);
              });
            });
  for (std::size_t j = 0; j < columns; ++j) {
    // The zeros of sparse rows add the square of their distance.
    if (design.sparse() != nullptr) variances[j] += sum * means[j] * means[j];
    variances[j] = std::max(variances[j] / sum, 0.0);
  }
}

}  // namespace pyoptim
