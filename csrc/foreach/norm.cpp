#include "foreach/norm.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/parallel.hpp"
#include "core/threads.hpp"
#include "foreach/foreach.hpp"

namespace pyoptim {
namespace {

constexpr std::size_t max_blocks = 16;  // that a thread takes at a time

double sum_in_order(const std::vector<double>& values) {
  const FloatEnvironment environment;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

double square_root(double x) {
  const FloatEnvironment environment;
  return std::sqrt(x);
}

/// Arrays cut into blocks, with a number computed for each block on several threads.
class Blocks {
 public:
  Blocks(const std::vector<ArrayView>& arrays, Isa isa, int threads)
      : kernels_(foreach_table[isa]), threads_(threads) {
    for (const ArrayView& tensor : arrays) {
      const std::size_t item = item_size(tensor.dtype);
      for (std::size_t at = 0; at < tensor.size; at += sum_block)
        blocks_.push_back({static_cast<const std::byte*>(tensor.data) + at * item,
                           std::min(sum_block, tensor.size - at), tensor.dtype});
    }
  }

  template <class Measure>
  [[nodiscard]] std::vector<double> measured(const Measure& measure) const {
    std::vector<double> results(blocks_.size());
    parallel_for(threads_, blocks_.size(), 1, max_blocks, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) results[i] = measure(blocks_[i]);
    });
    return results;
  }

  [[nodiscard]] std::vector<double> square_sums() const {
    return measured([&](const ArrayView& block) {
      return kernels_[int(block.dtype)].square_sum(block.data, block.size);
    });
  }

  /// NaN if a value is NaN.
  [[nodiscard]] double max_magnitude() const {
    double max = 0;
    for (const double value : measured([&](const ArrayView& block) {
           return kernels_[int(block.dtype)].max_magnitude(block.data, block.size);
         }))
      max = std::isnan(max) || value <= max ? max : value;
    return max;
  }

 private:
  const ForeachTable& kernels_;
  int threads_;
  std::vector<ArrayView> blocks_;
};

}  // namespace

double max_magnitude(const std::vector<ArrayView>& arrays, Isa isa, int threads) {
  return Blocks(arrays, isa, threads).max_magnitude();
}

double euclidean_norm(const std::vector<ArrayView>& arrays, Isa isa, int threads) {
  const Blocks blocks(arrays, isa, threads);
  const double sum = sum_in_order(blocks.square_sums());
  if (std::isfinite(sum) && sum >= 1e-280) return square_root(sum);

  // Squares overflowed or underflowed, or a value is not finite: scale the maximum close to 1.
  const double max = blocks.max_magnitude();
  if (!std::isfinite(max) || max == 0) return max;
  const double soft_threshold = std::ldexp(1.0, -std::clamp(std::ilogb(max), -1000, 1000));
  const std::vector<double> squares = blocks.measured([&](const ArrayView& block) {
    double sum = 0;
    for (std::size_t i = 0; i < block.size && block.dtype == DType::float64; ++i) {
      const double value = static_cast<const double*>(block.data)[i] * soft_threshold;
      sum += value * value;
    }
    return sum;
  });
  return square_root(sum_in_order(squares)) / soft_threshold;
}

}  // namespace pyoptim
