#include "layers/layers.hpp"

#include <algorithm>
#include <vector>

#include "engine/dispatch.hpp"
#include "engine/optimizer.hpp"
#include "engine/parallel.hpp"

namespace pyoptim {
namespace {

constexpr std::size_t block_elements = 8192;

// A layer's work lies between matrix products whose own threads are still about: waking ours for
// less than this costs more than it saves, and much more on a busy machine.
constexpr std::size_t threads_from = std::size_t{1} << 18;

const LayerKernels& kernels(DType dtype) {
  return active_backend().layers[dtype == DType::float64 ? 1 : 0];
}

/// A block of rows of a matrix, and where it lies in any matrix of the same shape.
struct Block {
  std::size_t index;
  std::size_t first_row;
  std::size_t rows;
  std::size_t offset;

  [[nodiscard]] void* in(void* data) const {
    return data == nullptr ? nullptr : static_cast<std::byte*>(data) + offset;
  }
  [[nodiscard]] const void* in(const void* data) const {
    return data == nullptr ? nullptr : static_cast<const std::byte*>(data) + offset;
  }
};

std::size_t block_rows(const Matrix& matrix) {
  return std::max<std::size_t>(1, block_elements / std::max<std::size_t>(1, matrix.columns));
}

std::size_t block_count(const Matrix& matrix) {
  return (matrix.rows + block_rows(matrix) - 1) / block_rows(matrix);
}

/// Calls work(block) for every block of rows, on several threads if there is enough to do.
template <class Work>
void over_blocks(const Matrix& matrix, const Work& work) {
  const std::size_t rows = block_rows(matrix), blocks = block_count(matrix);
  const std::size_t row_bytes = matrix.columns * item_size(matrix.dtype);
  const std::size_t elements = matrix.rows * matrix.columns;
  const Team team(elements < threads_from ? 0 : elements, 0);
  parallel_for(team.threads(), blocks, 1, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      work(Block{i, i * rows, std::min(rows, matrix.rows - i * rows), i * rows * row_bytes});
  });
}

/// The sum over blocks of what work(block) returns, added in order.
template <class Work>
double sum_over_blocks(const Matrix& matrix, const Work& work) {
  std::vector<double> part(block_count(matrix));
  over_blocks(matrix, [&](const Block& block) { part[block.index] = work(block); });
  double sum = 0;
  for (const double value : part) sum += value;
  return sum;
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
  std::vector<double> sums(block_count(d) * d.columns);
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

double add_penalty(const Matrix& param, void* grad, double l1, double l2) {
  const auto kernel = kernels(param.dtype).penalty;
  return sum_over_blocks(param, [&](const Block& block) {
    return kernel(block.in(param.data), block.in(grad), l1, l2, block.rows * param.columns);
  });
}

void softmax(const Matrix& scores) {
  const auto kernel = kernels(scores.dtype).softmax;
  over_blocks(scores, [&](const Block& block) {
    kernel(block.in(scores.data), block.rows, scores.columns);
  });
}

const LossInfo* find_loss(std::string_view name) {
  const LossTable& losses = *active_backend().losses;
  for (std::size_t i = 0; i < losses.size; ++i)
    if (name == losses.item[i].name) return &losses.item[i];
  return nullptr;
}

double mean_loss(const LossInfo& loss, const Matrix& scores, const void* targets, void* slope) {
  const auto kernel = loss.evaluate[scores.dtype == DType::float64 ? 1 : 0];
  const auto count = double(loss.labels ? scores.rows : scores.rows * scores.columns);
  const double sum = sum_over_blocks(scores, [&](const Block& block) {
    const void* const target = loss.labels
                                   ? static_cast<const std::int64_t*>(targets) + block.first_row
                                   : block.in(targets);
    return kernel(block.in(static_cast<const void*>(scores.data)), target, block.in(slope),
                  1 / count, block.rows, scores.columns);
  });
  return sum / count;
}

}  // namespace pyoptim
