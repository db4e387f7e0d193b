#include "linear/gram.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "linalg/kernel_table.hpp"

namespace pyoptim {
namespace {

using Interval = Design::Interval;

constexpr std::size_t panel_columns = 240;  // a multiple of every tile's columns
constexpr std::size_t max_chunks = 16;

std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
void add_widened(const T* from, std::size_t rows, std::size_t columns, double* to,
                 std::size_t stride) {
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) to[i * stride + j] += double(from[i * columns + j]);
}

}  // namespace

/// The memory of one thread.
struct Gram::Scratch {
  double* weights;
  std::byte* copied;
  std::byte* scaled;
  std::byte* products;
};

Gram::Gram(const Design& design, bool intercept)
    : design_(design),
      intercept_(intercept),
      columns_(design.columns()),
      size_(columns_ * columns_ + (intercept ? columns_ + 1 : 0)),
      panels_(design.sparse() == nullptr ? (columns_ + panel_columns - 1) / panel_columns : 1),
      total_(size_) {
  // The partial sums of all chunks are small compared with the data, or there is only one chunk.
  const std::size_t memory =
      design.elements() * item_size(design.dtype()) / 16 + (std::size_t{1} << 24);
  const std::size_t blocks = (design.rows() + gemm_depth - 1) / gemm_depth;
  chunks_ = std::clamp<std::size_t>(memory / (size_ * sizeof(double)), 1,
                                    std::min(max_chunks, std::max<std::size_t>(1, blocks)));
  partials_.allocate(chunks_ == 1 ? 0 : chunks_ * size_ * sizeof(double));
  const std::size_t item = item_size(design.dtype());
  const std::size_t panel = std::min(panel_columns, columns_);
  std::size_t end = 0;
  const auto place = [&](std::size_t part, std::size_t bytes) {
    at_[part] = end;
    end += whole_lines(bytes);
  };
  const bool dense = design.sparse() == nullptr;
  place(0, gemm_depth * sizeof(double));
  place(1, design.copy_bytes(gemm_depth));
  place(2, dense ? gemm_depth * panel * item : 0);
  place(3, dense ? columns_ * panel * item : 0);
  scratch_bytes_ = end;
  const std::size_t work = design.elements() * std::min<std::size_t>(columns_, 64);
  threads_ = int(std::min<std::size_t>(std::size_t(threads_for(work, 0)), chunks_ * panels_));
  scratch_.allocate(scratch_bytes_ * std::size_t(threads_));
}

Gram::Scratch Gram::scratch(int thread) const {
  std::byte* const memory = scratch_.data() + std::size_t(thread) * scratch_bytes_;
  return {reinterpret_cast<double*>(memory + at_[0]), memory + at_[1], memory + at_[2],
          memory + at_[3]};
}

/// Adds the columns of a panel, multiplied with all columns up to its last one, for up to 256 rows.
void Gram::add_dense(const Interval& rows, std::size_t panel, const Scratch& memory,
                     double* sums) const {
  const bool is_double = design_.dtype() == DType::float64;
  const LinearKernels& kernels = linear_table.current()[is_double ? 1 : 0];
  const DenseRows x = design_.dense_rows(rows, memory.copied);
  const std::size_t first = panel * panel_columns;
  const std::size_t end = std::min(first + panel_columns, columns_), width = end - first;
  const std::size_t item = item_size(design_.dtype());
  DenseRows part = x;
  part.values = static_cast<const std::byte*>(x.values) + first * item;
  part.columns = width;
  kernels.scale_rows(part, {memory.weights, 1}, memory.scaled);
  gemm_table.current()[is_double ? 1 : 0].multiply({.a = x.values,
                                                    .a_row = 1,
                                                    .a_step = x.stride,
                                                    .b = memory.scaled,
                                                    .b_step = std::ptrdiff_t(width),
                                                    .c = memory.products,
                                                    .c_row = std::ptrdiff_t(width),
                                                    .rows = end,
                                                    .columns = width,
                                                    .depth = rows.size(),
                                                    .adds = false});
  if (is_double)
    add_widened(reinterpret_cast<const double*>(memory.products), end, width, sums + first,
                columns_);
  else
    add_widened(reinterpret_cast<const float*>(memory.products), end, width, sums + first,
                columns_);
}

void Gram::run(const std::function<double(std::size_t row)>& weight) {
  double* const partials =
      chunks_ == 1 ? total_.data() : reinterpret_cast<double*>(partials_.data());
  std::fill_n(partials, chunks_ * size_, 0.0);
  const LinearKernels& kernels = linear_table.current()[design_.dtype() == DType::float64 ? 1 : 0];
  const std::size_t blocks = (design_.rows() + gemm_depth - 1) / gemm_depth;
  const auto add_run = [&](const Interval& rows, std::size_t panel, const Scratch& memory,
                           double* sums) {
    if (design_.sparse() == nullptr)
      add_dense(rows, panel, memory, sums);
    else
      kernels.sparse_gram[design_.index_kind()](design_.sparse_rows(rows), {memory.weights, 1},
                                                sums, columns_);
    if (!intercept_ || panel > 0) return;
    const DesignTile tile(design_, kernels, rows, memory.copied);
    double* const ones = sums + columns_ * columns_;
    tile.transposed({0, rows.size()}, {memory.weights, 1}, ones);
    for (std::size_t i = 0; i < rows.size(); ++i) ones[columns_] += memory.weights[i];
  };
  parallel_for(threads_, chunks_ * panels_, 1, 1,
               [&](int thread, std::size_t begin, std::size_t end) {
                 const Scratch memory = scratch(thread);
                 for (std::size_t task = begin; task < end; ++task) {
                   const std::size_t chunk = task / panels_, panel = task % panels_;
                   double* const sums = partials + chunk * size_;
                   const std::size_t last =
                       std::min(blocks * (chunk + 1) / chunks_ * gemm_depth, design_.rows());
                   for (std::size_t row = blocks * chunk / chunks_ * gemm_depth; row < last;) {
                     // A run of rows with nonzero weights, within one block.
                     const std::size_t limit = std::min((row / gemm_depth + 1) * gemm_depth, last);
                     std::size_t stop = row;
                     for (double w = 0; stop < limit && (w = weight(stop)) != 0; ++stop)
                       memory.weights[stop - row] = w;
                     if (stop > row) add_run({row, stop}, panel, memory, sums);
                     row = stop < limit ? stop + 1 : limit;
                   }
                 }
               });
  if (chunks_ == 1) return;
  std::copy_n(partials, size_, total_.data());
  for (std::size_t chunk = 1; chunk < chunks_; ++chunk)
    for (std::size_t j = 0; j < size_; ++j) total_[j] += partials[chunk * size_ + j];
}

}  // namespace pyoptim
