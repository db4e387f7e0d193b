#include "losses/mean_loss.hpp"

#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "core/check_range.hpp"
#include "core/row_blocks.hpp"
#include "core/scratch_buffer.hpp"
#include "core/text.hpp"

namespace pyoptim {

PYOPTIM_PER_ISA(LossTable, loss_table);

namespace {

/// Whether the loss restricts its targets to a range.
bool is_limited(const LossCall& call) {
  return call.labels == nullptr && call.loss->targets.low > -HUGE_VAL;
}

double target(const LossCall& call, std::size_t i) {
  return call.scores.dtype == DType::float64 ? static_cast<const double*>(call.targets)[i]
                                             : double(static_cast<const float*>(call.targets)[i]);
}

/// Whether the weight and targets of a row are valid.
bool row_is_valid(const LossCall& call, std::size_t row) {
  const double weight = call.weights == nullptr ? 1 : call.weights[row];
  if (!(weight >= 0 && weight < HUGE_VAL)) return false;
  if (weight == 0) return true;
  const std::size_t columns = call.scores.columns;
  if (call.labels != nullptr)
    return call.labels[row] >= 0 && call.labels[row] < std::int64_t(columns);
  for (std::size_t i = row * columns; is_limited(call) && i < (row + 1) * columns; ++i)
    if (!call.loss->targets.contains(target(call, i))) return false;
  return true;
}

/// The error of a row's weight and targets, or "". Rows are numbered from `first`.
std::string problem_with_row(const LossCall& call, std::size_t row, std::size_t first = 0) {
  if (row_is_valid(call, row)) return "";
  const std::string at = " at row " + std::to_string(first + row);
  const double weight = call.weights == nullptr ? 1 : call.weights[row];
  if (!(weight >= 0 && weight < HUGE_VAL))
    return "sample_weight: expected finite numbers of at least 0, got " + text(weight) + at;
  const std::size_t columns = call.scores.columns;
  if (call.labels != nullptr)
    return "targets: expected labels from 0 to " + std::to_string(columns - 1) + ", got " +
           index_text(call.labels[row]) + at;
  const Range& range = call.loss->targets;
  std::size_t i = row * columns;
  while (range.contains(target(call, i))) ++i;
  const double y = target(call, i);
  return "targets of the loss " + std::string(call.loss->name) + " must be " +
         (range.flag ? "0 or 1" : describe(range)) + ", got " +
         (call.scores.dtype == DType::float64 ? text(y) : text(float(y))) + at;
}

/// Whether all numbers are in a range, without a branch for each number. Ranges of targets are
/// closed, except at infinity.
template <class F>
bool all_within(const Range& range, const F* y, std::size_t size) {
  using Bits = std::conditional_t<sizeof(F) == 8, std::uint64_t, std::uint32_t>;
  const F low = F(range.low);
  const F high = range.open_high ? std::numeric_limits<F>::max() : F(range.high);
  Bits wrong = 0;
  if (range.flag) {
    for (std::size_t i = 0; i < size; ++i) wrong |= Bits(y[i] != 0) & Bits(y[i] != 1);
  } else {
    for (std::size_t i = 0; i < size; ++i) wrong |= Bits(!(y[i] >= low)) | Bits(!(y[i] <= high));
  }
  return wrong == 0;
}

/// Whether all weights and targets of a block are valid, including targets of rows with weight 0.
bool is_valid(const LossCall& call, const Block& block) {
  constexpr Range of_weights{0, HUGE_VAL, false, true, false};
  bool valid =
      call.weights == nullptr || all_within(of_weights, call.weights + block.first_row, block.rows);
  for (std::size_t i = block.first_row; call.labels != nullptr && i < block.first_row + block.rows;
       ++i)
    valid &= std::uint64_t(call.labels[i]) < std::uint64_t(call.scores.columns);
  if (!valid || !is_limited(call)) return valid;
  const void* const targets = block.in(call.targets);
  const std::size_t size = block.rows * call.scores.columns;
  return call.scores.dtype == DType::float64
             ? all_within(call.loss->targets, static_cast<const double*>(targets), size)
             : all_within(call.loss->targets, static_cast<const float*>(targets), size);
}

/// The sum of a block's weights, in eight lanes.
double weight_of(const LossCall& call, const Block& block) {
  if (call.weights == nullptr) return double(block.rows);
  constexpr std::size_t lanes = 8;
  double lane[lanes] = {};
  const double* const weights = call.weights + block.first_row;
  const std::size_t whole = block.rows - block.rows % lanes;
  for (std::size_t i = 0; i < whole; i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) lane[j] += weights[i + j];
  for (std::size_t i = whole; i < block.rows; ++i) lane[i - whole] += weights[i];
  double sum = 0;
  for (const double part : lane) sum += part;
  return sum;
}

/// Whether weights are given for rows, but used for each of several scores.
bool spreads_weights(const LossCall& call) {
  return call.weights != nullptr && !call.loss->of_rows && call.scores.columns > 1;
}

/// The weighted sum of the losses of a block. `spread` has room for one weight for each score if
/// weights are spread.
double evaluate(const LossCall& call, const Block& block, double scale, double* spread) {
  const std::size_t columns = call.scores.columns;
  const double* weights = call.weights == nullptr ? nullptr : call.weights + block.first_row;
  if (spreads_weights(call)) {
    for (std::size_t i = 0; i < block.rows; ++i)
      std::fill_n(spread + i * columns, columns, weights[i]);
    weights = spread;
  }
  const LossBatch batch{.scores = block.in(static_cast<const void*>(call.scores.data)),
                        .targets = block.in(call.targets),
                        .labels = call.labels == nullptr ? nullptr : call.labels + block.first_row,
                        .weights = weights,
                        .grad = block.in(call.grad),
                        .hessian = block.in(call.hessian),
                        .scale = scale,
                        .rows = block.rows,
                        .columns = columns};
  return call.loss->evaluate[call.scores.dtype == DType::float64 ? 1 : 0](call.parameters, batch);
}

double total(const std::vector<double>& parts) {
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace

const LossInfo* find_loss(std::string_view name) {
  const LossTable& losses = loss_table.current();
  for (std::size_t i = 0; i < losses.size; ++i)
    if (name == losses.item[i].name) return &losses.item[i];
  return nullptr;
}

void check_parameters(const LossInfo& loss, const std::vector<double>& parameters) {
  if (parameters.size() != loss.field_count)
    throw std::invalid_argument(std::string(loss.name) + ": expected " +
                                std::to_string(loss.field_count) + " parameters, got " +
                                std::to_string(parameters.size()));
  for (std::size_t i = 0; i < parameters.size(); ++i)
    check_range(loss.fields[i].name, loss.fields[i].range, parameters[i]);
}

std::string find_problem(const LossCall& call, std::size_t first) {
  const Blocks blocks(call.scores);
  for (std::size_t piece = 0; piece < blocks.count(); ++piece) {
    const Block block = blocks[piece];
    if (is_valid(call, block)) continue;
    for (std::size_t row = block.first_row; row < block.first_row + block.rows; ++row)
      if (std::string problem = problem_with_row(call, row, first); !problem.empty())
        return problem;
  }
  return "";
}

double mean_loss(const LossCall& call) {
  const Matrix& scores = call.scores;
  const Blocks blocks(scores);
  const std::size_t each =
      call.loss->of_rows ? 1 : scores.columns;  // the number of losses of a row
  // Everything is checked before anything is written.
  const bool checked = call.labels != nullptr || is_limited(call) || call.weights != nullptr;
  const std::size_t passes = checked ? 2 : 1;
  std::vector<double> parts(blocks.count());
  std::atomic<bool> valid = true;
  double weight = double(scores.rows) * double(each);
  const auto mean_scale = [&] { return weight > 0 ? 1 / weight : 0; };
  double scale = mean_scale();

  const Team team(elements_for_threads(scores), 0);
  const std::size_t room =
      spreads_weights(call) && scores.rows > 0 ? blocks[0].rows * scores.columns : 0;
  thread_local ScratchBuffer
      scratch;  // belongs to the calling thread; each thread uses a part of it
  auto* const spread = reinterpret_cast<double*>(
      scratch.allocate(room * std::size_t(team.threads()) * sizeof(double)));
  parallel_waves(
      team.threads(), 1, passes, [&](std::size_t /*wave*/) { return blocks.count(); },
      [&](std::size_t pass, std::size_t /*wave*/, std::size_t piece, int thread) {
        const Block block = blocks[piece];
        if (pass + 1 == passes) {
          if (valid)
            parts[piece] = evaluate(call, block, scale, spread + std::size_t(thread) * room);
          return;
        }
        if (!is_valid(call, block)) {
          for (std::size_t i = 0; i < block.rows; ++i)
            if (!row_is_valid(call, block.first_row + i)) valid = false;
        }
        parts[piece] = weight_of(call, block);
      },
      [&](std::size_t /*pass*/, std::size_t /*wave*/) {
        weight = total(parts) * double(each);
        if (!(weight < HUGE_VAL)) valid = false;
        scale = mean_scale();
      });

  if (!valid) {
    for (std::size_t row = 0; row < scores.rows; ++row)
      if (const std::string problem = problem_with_row(call, row); !problem.empty())
        throw std::invalid_argument(problem);
    throw std::invalid_argument("sample_weight: the sum of all weights is not finite");
  }
  return weight > 0 ? total(parts) / weight : 0;
}

}  // namespace pyoptim
