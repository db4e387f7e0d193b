#include "nn/norm.hpp"

#include <cmath>

#include "core/dispatch.hpp"
#include "core/row_blocks.hpp"

namespace pyoptim {

PYOPTIM_PER_ISA(NormTable, norm_table);

namespace {

const NormKernels& kernels(DType dtype) {
  return norm_table.current()[dtype == DType::float64 ? 1 : 0];
}

double value(const void* values, DType dtype, std::size_t i) {
  return dtype == DType::float64 ? static_cast<const double*>(values)[i]
                                 : double(static_cast<const float*>(values)[i]);
}

/// value <- value + momentum (next - value)
void move_on(void* values, DType dtype, std::size_t i, double next, double momentum) {
  const double before = value(values, dtype, i);
  const double after = before + momentum * (next - before);
  if (dtype == DType::float64)
    static_cast<double*>(values)[i] = after;
  else
    static_cast<float*>(values)[i] = float(after);
}

}  // namespace

void layer_norm(const Matrix& z, const void* weight, void* scaled, double* factors, double eps) {
  const auto kernel = kernels(z.dtype).rows;
  over_blocks(z, [&](const Block& block) {
    kernel(block.in(z.data), weight, block.in(scaled),
           factors == nullptr ? nullptr : factors + block.first_row, eps, block.rows, z.columns);
  });
}

void layer_norm_backward(const Matrix& d, const void* normal, const void* weight,
                         const double* factors, void* weight_grad) {
  const auto kernel = kernels(d.dtype).rows_back;
  ColumnSums sums(d, 1);
  over_blocks(d, [&](const Block& block) {
    kernel(block.in(d.data), block.in(normal), weight, factors + block.first_row, sums.of(0, block),
           block.rows, d.columns);
  });
  sums.store(sums.total(0), weight_grad);
}

void batch_norm(const Matrix& z, const void* weight, void* scaled, double* factors, double eps,
                const RunningStatistics& running) {
  const NormKernels& kernel = kernels(z.dtype);
  const auto rows = double(z.rows);
  ColumnSums sums(z, 2);
  over_blocks(z, [&](const Block& block) {
    kernel.column_sums(block.in(z.data), nullptr, sums.of(0, block), block.rows, z.columns);
  });
  double* const mean = sums.total(0);
  for (std::size_t j = 0; j < z.columns; ++j) mean[j] /= rows;
  over_blocks(z, [&](const Block& block) {
    kernel.column_sums(block.in(z.data), mean, sums.of(1, block), block.rows, z.columns);
  });
  const double* const squares = sums.total(1);
  for (std::size_t j = 0; j < z.columns; ++j) {
    factors[j] = 1 / std::sqrt(squares[j] / rows + eps);
    move_on(running.mean, z.dtype, j, mean[j], running.momentum);
    move_on(running.variance, z.dtype, j, squares[j] / (rows - 1), running.momentum);
  }
  over_blocks(z, [&](const Block& block) {
    kernel.columns(block.in(z.data), mean, factors, weight, block.in(scaled), block.rows,
                   z.columns);
  });
}

void batch_norm_backward(const Matrix& d, const void* normal, const void* weight,
                         const double* factors, void* weight_grad) {
  const NormKernels& kernel = kernels(d.dtype);
  ColumnSums sums(d, 3);
  over_blocks(d, [&](const Block& block) {
    kernel.column_grads(block.in(d.data), block.in(normal), sums.of(0, block), sums.of(1, block),
                        block.rows, d.columns);
  });
  double *const mean = sums.total(0), *const product = sums.total(1), *const by = sums.total(2);
  sums.store(product, weight_grad);
  for (std::size_t j = 0; j < d.columns; ++j) {
    mean[j] /= double(d.rows);
    product[j] /= double(d.rows);
    by[j] = factors[j] * value(weight, d.dtype, j);
  }
  over_blocks(d, [&](const Block& block) {
    kernel.columns_back(block.in(d.data), block.in(normal), mean, product, by, block.rows,
                        d.columns);
  });
}

}  // namespace pyoptim
