#pragma once

#include <cstddef>
#include <cstdint>

#include "losses/loss.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {

struct Softmax {
  double label_smoothing = 0;

  static constexpr const char* name = "softmax";
  static constexpr const char* doc =
      "Softmax cross-entropy, of a row of scores with one for each class.\n\n"
      "    p_k = e^(z_k) / sum_j e^(z_j)\n"
      "    l = -sum_k y_k log(p_k)\n\n"
      "Targets are class labels from 0, for which y is a one-hot row, or rows of\n"
      "probabilities y. With label smoothing s, y_k becomes (1 - s) y_k + s / classes. It is\n"
      "torch's CrossEntropyLoss. The `hessian` is the diagonal of the row's Hessian.\n\n"
      "Szegedy et al., Rethinking the Inception Architecture, 2015, arXiv:1512.00567, for label\n"
      "smoothing.";
  static constexpr auto fields = fields_of<Softmax>(
      Field<Softmax>{"label_smoothing", &Softmax::label_smoothing, closed_fraction,
                     "Fraction of each target that is spread over all classes."});
  static constexpr Range targets = closed_fraction;
  static constexpr Link link = Link::softmax;

  /// The loss of a row with the targets y, or with the class `label` if y is nullptr. The
  /// derivatives, times scale, are written to `grad`, which may be z, and to `hessian`, unless they
  /// are nullptr.
  template <class F>
  double row(const F* z, const F* y, std::int64_t label, F* grad, F* hessian, double scale,
             std::size_t columns) const {
    const F top = largest_in_lanes(z, columns);
    std::size_t at = 0;
    while (at + 1 < columns && z[at] != top) ++at;

    // The sum of the targets, and the sum of targets times the distance of their scores from the
    // largest.
    const double label_weight = 1 - label_smoothing, spread = label_smoothing / double(columns);
    double total = 1, lacking = 0;
    if (y == nullptr) {
      lacking = double(top) - double(z[label]);
    } else {
      total = sum_in_lanes(columns, [=](std::size_t j) { return y[j]; });
      lacking = sum_in_lanes(columns, [=](std::size_t j) {
        return weighted_term(double(y[j]), double(top) - double(z[j]));
      });
    }
    if (label_smoothing > 0) {
      total = label_weight * total + label_smoothing;
      const double all =
          sum_in_lanes(columns, [=](std::size_t j) { return double(top) - double(z[j]); });
      lacking = label_weight * lacking + spread * all;
    }

    // The largest score's own e^0 is not part of the sum, so that small terms of the others are not
    // lost.
    const std::size_t left_out = at;
    F of_top = exponential(z[at] - top);
    double others = 0;
    if (grad == nullptr)
      others = sum_in_lanes(columns, [=](std::size_t j) {
        const F e = exponential(z[j] - top);
        return j == left_out ? F(0) : e;
      });
    else
      others = sum_in_lanes(columns, [=](std::size_t j) {
        const F e = exponential(z[j] - top);
        grad[j] = e;
        return j == left_out ? F(0) : e;
      });
    const double sum = double(of_top) + others;
    const double value = total * logarithm_of_one_plus(others) + lacking;
    if (grad == nullptr) return value;

    const auto target = [=](std::size_t j) {
      return label_weight * (y != nullptr              ? double(y[j])
                             : j == std::size_t(label) ? 1
                                                       : 0) +
             spread;
    };
    // From p and q = 1 - p, which avoids the difference of numbers that are close to each other.
    const auto exact_grad = [=](double p, double q, double wanted) {
      return F(scale * ((total - wanted) * p - wanted * q));
    };
    const double of_label = y == nullptr ? double(grad[label]) : 0;
    differentiate(y, grad, hessian, scale * total, 1 / sum, scale, columns);
    grad[at] = exact_grad(double(of_top) / sum, others / sum, target(at));
    if (hessian != nullptr)
      hessian[at] = F(scale * total * (double(of_top) / sum) * (others / sum));
    if (y == nullptr && std::size_t(label) != at)
      grad[label] = exact_grad(of_label / sum, (sum - of_label) / sum, target(label));
    if (!is_finite(value))  // so that the step is skipped
      for (std::size_t j = 0; j < columns; ++j) {
        grad[j] = F(__builtin_nan(""));
        if (hessian != nullptr) hessian[j] = F(__builtin_nan(""));
      }
    return value;
  }

 private:
  /// The derivatives from e^(z - top) in `grad`, without the label's term.
  template <class F>
  void differentiate(const F* y, F* grad, F* hessian, double total, double per_sum, double scale,
                     std::size_t columns) const {
    const F factor = F(total * per_sum);
    const F spread = F(scale * (label_smoothing / double(columns)));
    const F label_weight = F(scale * (1 - label_smoothing));
    if (hessian != nullptr) {
      const F inverse_sum = F(per_sum), all = F(total);
#pragma omp simd
      for (std::size_t j = 0; j < columns; ++j) {
        const F p = grad[j] * inverse_sum;
        hessian[j] = all * p * (1 - p);
      }
    }
    if (y == nullptr) {
#pragma omp simd
      for (std::size_t j = 0; j < columns; ++j) grad[j] = grad[j] * factor - spread;
      return;
    }
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j)
      grad[j] = grad[j] * factor - (label_weight * y[j] + spread);
  }
};

}  // namespace pyoptim::PYOPTIM_ISA
