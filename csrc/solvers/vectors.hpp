// Operations on whole vectors: threads over fixed blocks, the same bits for every number of threads
// and instruction set.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/dispatch.hpp"
#include "core/parallel.hpp"
#include "solvers/kernel_table.hpp"

namespace pyoptim {

/// Elements that are summed up together, before the blocks' sums are added in order.
inline constexpr std::size_t solver_block = 2048;

/// Operations on vectors of one size. Nothing is allocated after construction.
class Vectors {
 public:
  /// At most `max_sums` sums at once.
  Vectors(std::size_t size, int threads, std::size_t max_sums);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const SolverKernels& kernels() const { return *kernels_; }
  [[nodiscard]] int threads() const { return threads_; }

  /// Calls work(begin, end, sums) for each block, and adds the blocks' sums up into `totals`, in
  /// order. `streams` is the number of vectors that are read or written, for the number of threads.
  template <class Work>
  void sum_blocks(std::size_t streams, std::size_t count, double* totals, const Work& work) {
    const std::size_t blocks = (size_ + solver_block - 1) / solver_block;
    if (blocks <= 1) {
      const FloatEnvironment environment;
      for (std::size_t i = 0; i < count; ++i) totals[i] = 0;
      if (size_ > 0) work(std::size_t{0}, size_, totals);
      return;
    }
    const Team team(size_ * streams, threads_);
    parallel_for(team.threads(), blocks, 1, 64, [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i)
        work(i * solver_block, std::min((i + 1) * solver_block, size_), &sums_[i * count]);
    });
    const FloatEnvironment environment;
    for (std::size_t k = 0; k < count; ++k) {
      double total = 0;
      for (std::size_t i = 0; i < blocks; ++i) total += sums_[i * count + k];
      totals[k] = total;
    }
  }

  /// The same without sums.
  template <class Work>
  void over_blocks(std::size_t streams, const Work& work) {
    sum_blocks(streams, 0, nullptr,
               [&](std::size_t begin, std::size_t end, double* /*sums*/) { work(begin, end); });
  }

  double dot(const double* a, const double* b);
  double norm(const double* a);
  void move(const double* x, const double* d, double step, double* out);
  void scale(const double* x, double a, double* out);
  void add(const double* x, double a, double* y);
  void copy(const double* x, double* out);

 private:
  std::size_t size_;
  int threads_;
  const SolverKernels* kernels_;
  std::vector<double> sums_;
};

}  // namespace pyoptim
