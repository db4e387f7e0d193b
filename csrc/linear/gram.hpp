// X^T D X of a design matrix X and a diagonal matrix D.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "core/scratch_buffer.hpp"
#include "linear/design.hpp"

namespace pyoptim {

/// The weighted Gram matrix of the columns of X, followed by a column of ones if there is an
/// intercept. Products of 256 rows are in the dtype of X and are added in double, in the order of
/// the rows. The bits are the same for every number of threads and instruction set.
class PYOPTIM_API Gram {
 public:
  Gram(const Design& design, bool intercept);

  /// Computes the matrix for the weights that `weight` returns. Rows of weight 0 are not read.
  void run(const std::function<double(std::size_t row)>& weight);

  /// The element of two columns, i <= j.
  [[nodiscard]] double of(std::size_t i, std::size_t j) const { return total_[i * columns_ + j]; }
  /// The element of column i and the column of ones. If i is the number of columns, the element of
  /// the column of ones with itself.
  [[nodiscard]] double of_intercept(std::size_t i) const { return total_[columns_ * columns_ + i]; }

 private:
  struct Scratch;
  [[nodiscard]] Scratch scratch(int thread) const;
  void add_dense(const Design::Interval& rows, std::size_t panel, const Scratch& memory,
                 double* sums) const;

  const Design& design_;
  bool intercept_;
  std::size_t columns_, size_, panels_, chunks_;
  int threads_;
  std::size_t scratch_bytes_ = 0;
  std::size_t at_[4] = {};  // the offsets of the parts of a thread's memory
  ScratchBuffer scratch_, partials_;
  std::vector<double> total_;
};

}  // namespace pyoptim
