// The mean loss of a linear model as a function of its coefficients, with its derivatives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/export.hpp"
#include "core/scratch_buffer.hpp"
#include "linear/design.hpp"
#include "losses/mean_loss.hpp"

namespace pyoptim {

/// The data and loss of a linear model. The caller owns the arrays and keeps them.
struct LinearProblem {
  const LossInfo* loss;
  std::vector<double> parameters;        ///< of the loss
  const double* targets = nullptr;       ///< one for each score; or
  const std::int64_t* labels = nullptr;  ///< one class for each row
  const double* weights = nullptr;       ///< one for each row; nullptr: all are 1
  const double* offsets = nullptr;       ///< added to the scores, one for each; nullptr: 0
  std::size_t outputs = 1;
  bool intercept = true;
  double l2 = 0;  ///< l2 / 2 times the squared norm of the coefficients, without intercepts
};

/// f(coef) = sum_i w_i loss(x_i coef + b + offset_i, y_i) / sum_i w_i + l2 / 2 |coef|^2
///
/// The vector of coefficients, in double, has all columns for the first output, then for the next
/// output, and so on, and finally the intercepts. A call reads the data once. Rows of weight 0 are
/// not read. Sums are in a fixed order, so the bits are the same for every number of threads and
/// instruction set. Only hessian() allocates. An object allows one call at a time.
class PYOPTIM_API LinearObjective {
 public:
  /// Throws std::invalid_argument if a target or a weight is out of range, or all weights are 0.
  LinearObjective(const Design& design, LinearProblem problem);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t rows() const { return design_.rows(); }
  [[nodiscard]] std::size_t outputs() const { return problem_.outputs; }
  /// The size of `score_hessian`, which describes the second derivatives by the scores.
  [[nodiscard]] std::size_t score_hessian_size() const { return design_.rows() * problem_.outputs; }

  /// Returns the value. Writes the gradient to `gradient` and the second derivatives by the scores
  /// to `score_hessian`, unless they are nullptr.
  double value(const double* coef, double* gradient, double* score_hessian = nullptr);
  /// out <- H v, where H is the Hessian at the coefficients of `score_hessian`.
  void hessian_product(const double* score_hessian, const double* v, double* out);
  /// Writes H with both triangles, size() numbers for each row.
  void hessian(const double* score_hessian, double* out);
  /// scores <- x coef + intercept + offset
  void scores(const double* coef, double* scores);

 private:
  struct Scratch;
  [[nodiscard]] double weight(std::size_t row) const {
    return problem_.weights == nullptr ? 1 : problem_.weights[row];
  }
  void check() const;
  [[nodiscard]] Scratch scratch(int thread) const;
  [[nodiscard]] int threads() const;
  template <class Work>
  void over_tiles(std::size_t partial_size, double* out, const Work& work);
  template <class Work>
  void counted_runs(const Design::Interval& rows, const Work& work) const;
  void score_tile(const DesignTile& tile, const Design::Interval& rows, const double* coef,
                  bool with_offsets, double* z) const;
  void transpose_tile(const DesignTile& tile, const Design::Interval& rows, double* factors,
                      double* sums) const;
  double evaluate_tile(const Design::Interval& rows, const Scratch& scratch, bool gradient,
                       double* score_hessian) const;
  void scale_by_hessian(const Design::Interval& rows, const double* score_hessian,
                        double* scores) const;
  [[nodiscard]] double row_factor(std::size_t row) const;
  double penalty(const double* coef, double* gradient) const;

  Design design_;
  LinearProblem problem_;
  std::size_t columns_, size_, chunks_;
  double scale_ = 0;  // 1 / (the sum of the weights of all losses)
  int max_threads_;
  std::size_t scratch_bytes_, copy_bytes_;
  ScratchBuffer scratch_, partials_, sums_;
};

}  // namespace pyoptim
