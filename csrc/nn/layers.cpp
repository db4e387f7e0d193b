#include "nn/layers.hpp"

#include "core/row_blocks.hpp"

namespace pyoptim {

PYOPTIM_PER_ISA(LayerTable, layer_table);

namespace {

const LayerKernels& kernels(DType dtype) {
  return layer_table.current()[dtype == DType::float64 ? 1 : 0];
}

}  // namespace

void layer_forward(Activation activation, const Matrix& z, const void* bias, void* a,
                   const void* skip, const Dropout& dropout) {
  const auto kernel = kernels(z.dtype).forward[int(activation)];
  over_blocks(z, [&](const Block& block) {
    kernel({.z = block.in(z.data),
            .bias = bias,
            .skip = block.in(skip),
            .a = block.in(a),
            .dropout = dropout,
            .first_row = block.first_row,
            .rows = block.rows,
            .columns = z.columns});
  });
}

void layer_backward(const Matrix& d, void* grad, void* bias_grad) {
  const auto kernel = kernels(d.dtype).backward;
  ColumnSums sums(d, 1);
  over_blocks(d, [&](const Block& block) {
    kernel(block.in(d.data), block.in(grad), sums.of(0, block), block.rows, d.columns);
  });
  sums.store(sums.total(0), bias_grad);
}

void softmax(const Matrix& scores) {
  const auto kernel = kernels(scores.dtype).softmax;
  over_blocks(scores, [&](const Block& block) {
    kernel(block.in(scores.data), block.rows, scores.columns);
  });
}

}  // namespace pyoptim
