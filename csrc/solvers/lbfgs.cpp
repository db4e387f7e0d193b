// L-BFGS: J. Nocedal, Updating quasi-Newton matrices with limited storage, Math. Comp. 35 (1980);
// with bounds as in D. P. Bertsekas, Projected Newton methods, SIAM J. Control Optim. 20 (1982).
//
// The two-loop recursion needs the vectors only through their products with each other. Here these
// products are kept: a step reads all pairs once to multiply them by the new pair and gradient, and
// once to add the direction up, half of what two loops over the vectors read.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "solvers/line_search.hpp"
#include "solvers/method.hpp"

namespace pyoptim {
namespace {

// Pairs with a smaller cosine are dropped: the curvature along the step must be above 0.
constexpr double smallest_cosine = 1e-10;

class LBFGS final : public Method {
 public:
  LBFGS(std::size_t size, const SolverOptions& options)
      : size_(size),
        memory_(std::size_t(options.memory)),
        rows_(size, 2 * (memory_ + 1)),
        slots_(memory_ + 1),
        sy_(memory_ * memory_),
        yy_(memory_ * memory_),
        sg_(memory_ + 1),
        yg_(memory_ + 1),
        s_weights_(memory_),
        y_weights_(memory_),
        sums_(sum_count(options)) {
    for (std::size_t i = 0; i <= memory_; ++i) slots_[i] = i;
  }

  static std::size_t sum_count(const SolverOptions& options) {
    return 5 + 4 * std::size_t(options.memory);
  }

  bool step(Point& point) override {
    for (int attempt = 0; attempt < 2; ++attempt) {
      const double derivative = set_direction(point);
      if (derivative < 0) {
        const double first = pairs_ > 0 ? 1 : first_step(point);
        if (search_line(point, derivative, first, point.options.line_search) != 0) {
          update(point);
          point.accept_trial();
          return true;
        }
      }
      if (pairs_ == 0) return false;
      pairs_ = 0;  // along the gradient, then
    }
    return false;
  }

  void save(SolverState& state) const override {
    state.numbers.emplace_back("pairs", std::int64_t(pairs_));
    state.numbers.emplace_back("initial_scale", scale_);
    save_rows(state, "s", 0);
    save_rows(state, "y", 1);
    save_matrix(state, "sy", sy_);
    save_matrix(state, "yy", yy_);
    state.arrays.push_back({"sg", {pairs_}, {sg_.begin(), sg_.begin() + std::ptrdiff_t(pairs_)}});
    state.arrays.push_back({"yg", {pairs_}, {yg_.begin(), yg_.begin() + std::ptrdiff_t(pairs_)}});
  }

  void load(const SolverState& state) override {
    const std::int64_t pairs = state.count("pairs");
    if (pairs < 0 || std::size_t(pairs) > memory_)
      throw std::invalid_argument("state: saved with " + std::to_string(pairs) +
                                  " pairs, but memory is " + std::to_string(memory_));
    const auto count = std::size_t(pairs);
    const auto& s = state.array("s", count * size_);
    const auto& y = state.array("y", count * size_);
    const auto& sy = state.array("sy", count * count);
    const auto& yy = state.array("yy", count * count);
    const auto& sg = state.array("sg", count);
    const auto& yg = state.array("yg", count);
    scale_ = state.number("initial_scale");
    pairs_ = count;
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(&s[i * size_], size_, row(i, 0));
      std::copy_n(&y[i * size_], size_, row(i, 1));
      std::copy_n(&sy[i * count], count, &sy_[i * memory_]);
      std::copy_n(&yy[i * count], count, &yy_[i * memory_]);
    }
    std::copy(sg.begin(), sg.end(), sg_.begin());
    std::copy(yg.begin(), yg.end(), yg_.begin());
  }

 private:
  /// Pair i, the oldest being the first: its step (0) or the change of the gradient (1).
  [[nodiscard]] double* row(std::size_t i, std::size_t kind) const {
    return rows_[2 * slots_[i] + kind];
  }

  void save_rows(SolverState& state, const char* name, std::size_t kind) const {
    SolverState::Array array{name, {pairs_, size_}, {}};
    array.values.reserve(pairs_ * size_);
    for (std::size_t i = 0; i < pairs_; ++i)
      array.values.insert(array.values.end(), row(i, kind), row(i, kind) + size_);
    state.arrays.push_back(std::move(array));
  }

  void save_matrix(SolverState& state, const char* name, const std::vector<double>& matrix) const {
    SolverState::Array array{name, {pairs_, pairs_}, {}};
    for (std::size_t i = 0; i < pairs_; ++i)
      for (std::size_t j = 0; j < pairs_; ++j) array.values.push_back(matrix[i * memory_ + j]);
    state.arrays.push_back(std::move(array));
  }

  /// Without pairs the length of a step is unknown: half that of x, but no more than the
  /// gradient's.
  static double first_step(const Point& point) {
    return std::min(1.0, 0.5 * std::max(1.0, point.x_norm) / point.grad_norm);
  }

  /// direction <- -H g, whose product with the gradient is returned.
  double set_direction(Point& point) {
    const std::size_t k = pairs_;
    if (point.options.low != nullptr) multiply_free(point);
    double scale = 1;
    if (k > 0) {
      scale = scale_;
      // Both loops, on products: a[i] is for s_i, b[i] for y_i.
      double *const a = s_weights_.data(), *const b = y_weights_.data();
      for (std::size_t i = k; i-- > 0;) {
        double sum = sg_[i];
        for (std::size_t j = i + 1; j < k; ++j) sum -= b[j] * sy_[i * memory_ + j];
        b[i] = sum / sy_[i * memory_ + i];
      }
      for (std::size_t i = 0; i < k; ++i) {
        double sum = yg_[i];
        for (std::size_t j = 0; j < k; ++j) sum -= b[j] * yy_[i * memory_ + j];
        sum *= scale;
        for (std::size_t j = 0; j < i; ++j) sum += a[j] * sy_[j * memory_ + i];
        a[i] = b[i] - sum / sy_[i * memory_ + i];
      }
      for (std::size_t i = 0; i < k; ++i) {
        a[i] = -a[i];
        b[i] *= scale;
      }
    }
    const double* const grad = point.free_grad();
    const bool bounded = point.options.low != nullptr;
    const SolverKernels& kernels = point.vectors.kernels();
    double derivative = 0;
    point.vectors.sum_blocks(2 + 2 * k, 1, &derivative,
                             [&](std::size_t begin, std::size_t end, double* sum) {
                               const std::size_t size = end - begin;
                               double* const d = point.direction + begin;
                               kernels.scale(grad + begin, -scale, d, size);
                               for (std::size_t i = 0; i < k; ++i)
                                 kernels.add_two(row(i, 0) + begin, s_weights_[i],
                                                 row(i, 1) + begin, y_weights_[i], d, size);
                               if (bounded)
                                 kernels.keep_free(grad + begin, point.grad + begin, d, size);
                               sum[0] = kernels.dot(point.grad + begin, d, size);
                             });
    return derivative;
  }

  /// The products of all pairs with the free gradient. Variables close to a bound that the gradient
  /// points to are not free, as a step that bends there would be too short.
  void multiply_free(Point& point) {
    constexpr double largest_margin = 0.01;
    point.free_gradient(std::min(point.projected_step(), largest_margin));
    const std::size_t k = pairs_;
    double* const totals = sums_.data();
    point.vectors.sum_blocks(
        1 + 2 * k, 2 * k, totals, [&](std::size_t begin, std::size_t end, double* sums) {
          const SolverKernels& kernels = point.vectors.kernels();
          for (std::size_t i = 0; i < k; ++i)
            for (std::size_t kind = 0; kind < 2; ++kind)
              sums[2 * i + kind] =
                  kernels.dot(row(i, kind) + begin, point.projected_grad + begin, end - begin);
        });
    for (std::size_t i = 0; i < k; ++i) {
      sg_[i] = totals[2 * i];
      yg_[i] = totals[2 * i + 1];
    }
  }

  /// Takes in the pair of the point and its trial, unless its curvature is not above 0, and the
  /// products of all pairs with the trial's gradient.
  void update(Point& point) {
    const std::size_t k = pairs_;
    const SolverKernels& kernels = point.vectors.kernels();
    double *const s = row(k, 0), *const y = row(k, 1);
    double* const totals = sums_.data();
    point.vectors.sum_blocks(
        6 + 2 * k, 5 + 4 * k, totals, [&](std::size_t begin, std::size_t end, double* sums) {
          const std::size_t size = end - begin;
          kernels.correction(point.trial_x + begin, point.x + begin, point.trial_grad + begin,
                             point.grad + begin, s + begin, y + begin, sums, size);
          const double* const grad = point.trial_grad + begin;
          sums[3] = kernels.dot(s + begin, grad, size);
          sums[4] = kernels.dot(y + begin, grad, size);
          for (std::size_t i = 0; i < k; ++i) {
            kernels.two_dots(row(i, 0) + begin, grad, y + begin, sums + 5 + 4 * i, size);
            kernels.two_dots(row(i, 1) + begin, grad, y + begin, sums + 7 + 4 * i, size);
          }
        });
    for (std::size_t i = 0; i < k; ++i) {
      sg_[i] = totals[5 + 4 * i];
      yg_[i] = totals[7 + 4 * i];
    }
    const double ss = totals[0], sy = totals[1], yy = totals[2];
    if (!(sy > smallest_cosine * std::sqrt(ss) * std::sqrt(yy)) || !std::isfinite(sy / yy)) return;
    const std::size_t dropped = k == memory_ ? 1 : 0;
    if (dropped != 0) drop_oldest();
    const std::size_t last = pairs_;
    for (std::size_t i = 0; i < last; ++i) {
      sy_[i * memory_ + last] = totals[6 + 4 * (i + dropped)];
      yy_[i * memory_ + last] = yy_[last * memory_ + i] = totals[8 + 4 * (i + dropped)];
    }
    sy_[last * memory_ + last] = sy;
    yy_[last * memory_ + last] = yy;
    sg_[last] = totals[3];
    yg_[last] = totals[4];
    scale_ = sy / yy;
    ++pairs_;
  }

  void drop_oldest() {
    std::rotate(slots_.begin(), slots_.begin() + 1, slots_.end());
    --pairs_;
    for (std::size_t i = 0; i < pairs_; ++i) {
      sg_[i] = sg_[i + 1];
      yg_[i] = yg_[i + 1];
      for (std::size_t j = 0; j < pairs_; ++j) {
        sy_[i * memory_ + j] = sy_[(i + 1) * memory_ + j + 1];
        yy_[i * memory_ + j] = yy_[(i + 1) * memory_ + j + 1];
      }
    }
  }

  std::size_t size_;
  std::size_t memory_;
  std::size_t pairs_ = 0;
  double scale_ = 1;  // of the initial inverse Hessian
  Buffers rows_;
  std::vector<std::size_t> slots_;  // of pairs in rows_, and of the next pair
  std::vector<double> sy_;          // s_i y_j for i <= j
  std::vector<double> yy_;
  std::vector<double> sg_, yg_;  // products with the gradient
  std::vector<double> s_weights_, y_weights_;
  std::vector<double> sums_;
};

}  // namespace

std::unique_ptr<Method> make_lbfgs(std::size_t size, const SolverOptions& options) {
  return std::make_unique<LBFGS>(size, options);
}

}  // namespace pyoptim
