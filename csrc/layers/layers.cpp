#include "layers/layers.hpp"

#include <vector>

#include "engine/dispatch.hpp"
#include "layers/blocks.hpp"

namespace pyoptim {
namespace {

const LayerKernels& kernels(DType dtype) {
  return active_backend().layers[dtype == DType::float64 ? 1 : 0];
}

/// Calls work(block) for every block of rows, on several threads if there is enough to do.
template <class Work>
void over_blocks(const Matrix& matrix, const Work& work) {
  const Blocks blocks(matrix);
  const Team team(elements_for_threads(matrix), 0);
  parallel_for(team.threads(), blocks.count(), 1, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) work(blocks[i]);
  });
}

}  // namespace

void layer_forward(Activation activation, const Matrix& z, const void* bias, void* a) {
  const auto kernel = kernels(z.dtype).forward[int(activation)];
  over_blocks(z, [&](const Block& block) {
    kernel(block.in(z.data), bias, block.in(a), block.rows, z.columns);
  });
}

void layer_backward(Activation activation, const Matrix& d, const void* z, const void* a,
                    void* bias_grad) {
  const auto kernel = kernels(d.dtype).backward[int(activation)];
  std::vector<double> sums(Blocks(d).count() * d.columns);
  over_blocks(d, [&](const Block& block) {
    kernel(block.in(d.data), block.in(z), block.in(a), &sums[block.index * d.columns], block.rows,
           d.columns);
  });
  for (std::size_t j = 0; j < d.columns; ++j) {
    double sum = 0;
    for (std::size_t i = j; i < sums.size(); i += d.columns) sum += sums[i];
    if (d.dtype == DType::float64)
      static_cast<double*>(bias_grad)[j] = sum;
    else
      static_cast<float*>(bias_grad)[j] = float(sum);
  }
}

void softmax(const Matrix& scores) {
  const auto kernel = kernels(scores.dtype).softmax;
  over_blocks(scores, [&](const Block& block) {
    kernel(block.in(scores.data), block.rows, scores.columns);
  });
}

}  // namespace pyoptim
