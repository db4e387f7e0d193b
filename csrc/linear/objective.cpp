#include "linear/objective.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/parallel.hpp"
#include "core/text.hpp"
#include "linear/gram.hpp"
#include "nn/layers.hpp"

namespace pyoptim {
namespace {

using Interval = Design::Interval;

std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

/// out <- the sum of the partial sums of all chunks, in order.
void add_up(const double* partials, std::size_t chunks, std::size_t size, int threads,
            double* out) {
  parallel_for(size < serial_below ? 1 : threads, size, 64, std::size_t{1} << 14,
               [&](std::size_t begin, std::size_t end) {
                 std::copy(partials + begin, partials + end, out + begin);
                 for (std::size_t chunk = 1; chunk < chunks; ++chunk) {
                   const double* const partial = partials + chunk * size;
                   for (std::size_t j = begin; j < end; ++j) out[j] += partial[j];
                 }
               });
}

}  // namespace

/// The memory of one thread.
struct LinearObjective::Scratch {
  double* scores;     ///< of a tile, replaced by the derivatives by them
  double* weights;    ///< of a tile, one for each score
  double* more;       ///< as many numbers as scores
  std::byte* copied;  ///< rows of a tile
};

LinearObjective::LinearObjective(const Design& design, LinearProblem problem)
    : design_(design),
      problem_(std::move(problem)),
      columns_(design.columns()),
      size_(problem_.outputs * (columns_ + (problem_.intercept ? 1 : 0))),
      chunks_(design.chunks(size_)),
      max_threads_(thread_count()) {
  check();
  const bool of_rows = problem_.loss->of_rows;
  double sum = 0;
  for (std::size_t i = 0; i < rows(); ++i) sum += weight(i);
  if (!(sum > 0 && sum < HUGE_VAL))
    throw std::invalid_argument("sample_weight: expected a finite sum above 0, got " + text(sum));
  scale_ = 1 / (sum * (of_rows ? 1.0 : double(problem_.outputs)));
  const std::size_t scores = whole_lines(design_.tile_rows() * problem_.outputs * sizeof(double));
  copy_bytes_ = whole_lines(design_.copy_bytes(design_.tile_rows()));
  scratch_bytes_ = 3 * scores + copy_bytes_;
  scratch_.allocate(scratch_bytes_ * std::size_t(max_threads_));
  partials_.allocate(chunks_ * (1 + size_) * sizeof(double));
  sums_.allocate((1 + size_) * sizeof(double));
}

void LinearObjective::check() const {
  check_parameters(*problem_.loss, problem_.parameters);
  if (rows() == 0 || columns_ == 0)
    throw std::invalid_argument("x: expected at least one row and one column, got " +
                                std::to_string(rows()) + " and " + std::to_string(columns_));
  if (!(problem_.l2 >= 0 && problem_.l2 < HUGE_VAL))
    throw std::invalid_argument("l2: expected a finite number of at least 0, got " +
                                text(problem_.l2));
  LossCall call{.loss = problem_.loss, .parameters = problem_.parameters.data(), .scores = {}};
  call.scores = {nullptr, rows(), problem_.outputs, DType::float64};
  call.targets = problem_.targets;
  call.labels = problem_.labels;
  call.weights = problem_.weights;
  if (const std::string problem = find_problem(call); !problem.empty())
    throw std::invalid_argument(problem);
}

LinearObjective::Scratch LinearObjective::scratch(int thread) const {
  std::byte* const memory = scratch_.data() + std::size_t(thread) * scratch_bytes_;
  const std::size_t scores = (scratch_bytes_ - copy_bytes_) / 3;
  const auto at = [&](std::size_t part) {
    return reinterpret_cast<double*>(memory + part * scores);
  };
  return {at(0), at(1), at(2), memory + 3 * scores};
}

int LinearObjective::threads() const {
  const std::size_t work = design_.elements() * problem_.outputs;
  return std::min({threads_for(work, 0), max_threads_, int(chunks_)});
}

/// Calls work(tile, rows, scratch, sums) for all tiles. `out` is the sum of the `partial_size`
/// sums, which start at 0.
template <class Work>
void LinearObjective::over_tiles(std::size_t partial_size, double* out, const Work& work) {
  const LinearKernels& kernels = linear_table.current()[design_.dtype() == DType::float64 ? 1 : 0];
  double* const partials = chunks_ == 1 ? out : reinterpret_cast<double*>(partials_.allocate(0));
  const int count = threads();
  parallel_for(count, chunks_, 1, 1, [&](int thread, std::size_t begin, std::size_t end) {
    const Scratch memory = scratch(thread);
    for (std::size_t index = begin; index < end; ++index) {
      double* const sums = partials + index * partial_size;
      std::fill_n(sums, partial_size, 0.0);
      const Interval chunk = design_.chunk(index, chunks_);
      for (std::size_t row = chunk.begin; row < chunk.end; row += design_.tile_rows()) {
        const Interval rows{row, std::min(row + design_.tile_rows(), chunk.end)};
        work(DesignTile(design_, kernels, rows, memory.copied), rows, memory, sums);
      }
    }
  });
  if (chunks_ > 1) add_up(partials, chunks_, partial_size, count, out);
}

/// Calls work for each run of rows in a tile with nonzero weights. Rows count from the first of the
/// tile.
template <class Work>
void LinearObjective::counted_runs(const Interval& rows, const Work& work) const {
  if (problem_.weights == nullptr) {
    work(Interval{0, rows.size()});
    return;
  }
  for (std::size_t i = rows.begin; i < rows.end;) {
    std::size_t end = i;
    while (end < rows.end && problem_.weights[end] != 0) ++end;
    if (end > i) work(Interval{i - rows.begin, end - rows.begin});
    i = end + 1;
  }
}

void LinearObjective::score_tile(const DesignTile& tile, const Interval& rows, const double* coef,
                                 bool with_offsets, double* z) const {
  const std::size_t outputs = problem_.outputs;
  const double* const intercepts = problem_.intercept ? coef + outputs * columns_ : nullptr;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t k = 0; k < outputs; ++k)
      z[i * outputs + k] = (intercepts == nullptr ? 0 : intercepts[k]) +
                           (with_offsets && problem_.offsets != nullptr
                                ? problem_.offsets[(rows.begin + i) * outputs + k]
                                : 0);
  counted_runs(rows, [&](const Interval& run) {
    for (std::size_t k = 0; k < outputs; ++k)
      tile.scores(run, coef + k * columns_, {z + k, std::ptrdiff_t(outputs)});
  });
}

/// Adds x^T factors, and the sums of the factors for the intercepts.
void LinearObjective::transpose_tile(const DesignTile& tile, const Interval& rows, double* factors,
                                     double* sums) const {
  const std::size_t outputs = problem_.outputs;
  counted_runs(rows, [&](const Interval& run) {
    for (std::size_t k = 0; k < outputs; ++k) {
      tile.transposed(run, {factors + k, std::ptrdiff_t(outputs)}, sums + k * columns_);
      if (!problem_.intercept) continue;
      double& sum = sums[outputs * columns_ + k];
      for (std::size_t i = run.begin; i < run.end; ++i) sum += factors[i * outputs + k];
    }
  });
}

/// The weighted sum of the losses of a tile. With `gradient`, scores are replaced by their
/// gradient.
double LinearObjective::evaluate_tile(const Interval& rows, const Scratch& scratch, bool gradient,
                                      double* score_hessian) const {
  const std::size_t outputs = problem_.outputs, first = rows.begin * outputs;
  const bool of_rows = problem_.loss->of_rows;
  const double* weights = problem_.weights == nullptr ? nullptr : problem_.weights + rows.begin;
  if (weights != nullptr && !of_rows && outputs > 1) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::fill_n(scratch.weights + i * outputs, outputs, weights[i]);
    weights = scratch.weights;
  }
  double* const second = score_hessian == nullptr ? nullptr : score_hessian + first;
  if (second != nullptr && of_rows) {  // the probabilities of softmax
    std::copy_n(scratch.scores, rows.size() * outputs, second);
    layer_table.current()[1].softmax(second, rows.size(), outputs);
  }
  const LossBatch batch{
      .scores = scratch.scores,
      .targets = problem_.targets == nullptr ? nullptr : problem_.targets + first,
      .labels = problem_.labels == nullptr ? nullptr : problem_.labels + rows.begin,
      .weights = weights,
      .grad = gradient ? scratch.scores : nullptr,
      .hessian = gradient && !of_rows ? second : nullptr,
      .scale = scale_,
      .rows = rows.size(),
      .columns = outputs};
  return problem_.loss->evaluate[1](problem_.parameters.data(), batch);
}

double LinearObjective::value(const double* coef, double* gradient, double* score_hessian) {
  const bool derive = gradient != nullptr || score_hessian != nullptr;
  const std::size_t sums = gradient == nullptr ? 1 : 1 + size_;
  auto* const out = reinterpret_cast<double*>(sums_.data());
  over_tiles(
      sums, out,
      [&](const DesignTile& tile, const Interval& rows, const Scratch& memory, double* partial) {
        score_tile(tile, rows, coef, true, memory.scores);
        partial[0] += evaluate_tile(rows, memory, derive, score_hessian);
        if (gradient != nullptr) transpose_tile(tile, rows, memory.scores, partial + 1);
      });
  if (gradient != nullptr) std::copy_n(out + 1, size_, gradient);
  const FloatEnvironment environment;
  return out[0] * scale_ + penalty(coef, gradient);
}

double LinearObjective::penalty(const double* coef, double* gradient) const {
  if (problem_.l2 == 0) return 0;
  constexpr std::size_t lanes = 8;
  const std::size_t size = problem_.outputs * columns_;
  double lane[lanes] = {};
  for (std::size_t j = 0; j < size; ++j) lane[j % lanes] += coef[j] * coef[j];
  if (gradient != nullptr)
    for (std::size_t j = 0; j < size; ++j) gradient[j] += problem_.l2 * coef[j];
  double sum = 0;
  for (const double part : lane) sum += part;
  return problem_.l2 / 2 * sum;
}

/// The weight of a row in the mean. A row of target probabilities counts as much as their sum.
double LinearObjective::row_factor(std::size_t row) const {
  double total = 1;
  if (problem_.loss->of_rows && problem_.targets != nullptr) {
    total = 0;
    for (std::size_t k = 0; k < problem_.outputs; ++k)
      total += problem_.targets[row * problem_.outputs + k];
  }
  return scale_ * weight(row) * total;
}

/// scores <- the second derivatives of the mean loss times scores.
void LinearObjective::scale_by_hessian(const Interval& rows, const double* score_hessian,
                                       double* scores) const {
  const std::size_t outputs = problem_.outputs;
  const double* const second = score_hessian + rows.begin * outputs;
  if (!problem_.loss->of_rows) {
    for (std::size_t i = 0; i < rows.size() * outputs; ++i)
      scores[i] = second[i] == 0 ? 0 : second[i] * scores[i];
    return;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double* const p = second + i * outputs;
    double* const z = scores + i * outputs;
    const double factor = row_factor(rows.begin + i);
    double mean = 0;
    for (std::size_t k = 0; k < outputs && factor != 0; ++k) mean += p[k] * z[k];
    for (std::size_t k = 0; k < outputs; ++k)
      z[k] = factor == 0 ? 0 : factor * p[k] * (z[k] - mean);
  }
}

void LinearObjective::hessian_product(const double* score_hessian, const double* v, double* out) {
  auto* const sums = reinterpret_cast<double*>(sums_.data());
  over_tiles(
      size_, sums,
      [&](const DesignTile& tile, const Interval& rows, const Scratch& memory, double* partial) {
        score_tile(tile, rows, v, false, memory.scores);
        scale_by_hessian(rows, score_hessian, memory.scores);
        transpose_tile(tile, rows, memory.scores, partial);
      });
  const std::size_t coefs = problem_.outputs * columns_;
  for (std::size_t j = 0; j < size_; ++j) out[j] = sums[j] + (j < coefs ? problem_.l2 * v[j] : 0);
}

void LinearObjective::scores(const double* coef, double* scores) {
  double nothing = 0;
  over_tiles(1, &nothing,
             [&](const DesignTile& tile, const Interval& rows, const Scratch& /*memory*/, double*) {
               score_tile(tile, rows, coef, true, scores + rows.begin * problem_.outputs);
             });
}

void LinearObjective::hessian(const double* score_hessian, double* out) {
  const std::size_t outputs = problem_.outputs, coefs = outputs * columns_;
  std::fill_n(out, size_ * size_, 0.0);
  Gram gram(design_, problem_.intercept);
  for (std::size_t k = 0; k < outputs; ++k)
    for (std::size_t l = k; l < (problem_.loss->of_rows ? outputs : k + 1); ++l) {
      gram.run([&](std::size_t row) {
        const double* const second = score_hessian + row * outputs;
        if (weight(row) == 0) return 0.0;
        if (!problem_.loss->of_rows) return second[k];
        return row_factor(row) * second[k] * ((k == l ? 1 : 0) - second[l]);
      });
      // A block is symmetric, and so is the matrix of blocks.
      const auto set = [&](std::size_t i, std::size_t j, double value) {
        out[i * size_ + j] = out[j * size_ + i] = value;
      };
      const std::size_t a = k * columns_, b = l * columns_;
      for (std::size_t i = 0; i < columns_; ++i)
        for (std::size_t j = i; j < columns_; ++j) {
          set(a + i, b + j, gram.of(i, j));
          set(a + j, b + i, gram.of(i, j));
        }
      if (!problem_.intercept) continue;
      for (std::size_t i = 0; i < columns_; ++i) {
        set(a + i, coefs + l, gram.of_intercept(i));
        set(b + i, coefs + k, gram.of_intercept(i));
      }
      set(coefs + k, coefs + l, gram.of_intercept(columns_));
    }
  for (std::size_t i = 0; i < coefs; ++i) out[i * size_ + i] += problem_.l2;
}

}  // namespace pyoptim
