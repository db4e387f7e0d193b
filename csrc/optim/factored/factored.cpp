#include "optim/factored/factored.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/parallel.hpp"
#include "optim/optimizer.hpp"
#include "optim/sparse_grad.hpp"

namespace pyoptim {
namespace {

// The size of a tile in rows and columns. If a matrix has fewer rows than that, tiles have more
// columns, and vice versa. Sums are over tiles, so their bits depend on these numbers and on
// nothing else.
constexpr std::size_t tall = 64;
constexpr std::size_t wide = 8192;  // contiguous in memory, so that it is prefetched
constexpr std::size_t lane_count = 16;
constexpr std::size_t small_matrices = 1 << 15;  // elements of small matrices in one tile

std::size_t product(Shape::const_iterator begin, Shape::const_iterator end) {
  return std::accumulate(begin, end, std::size_t{1}, std::multiplies<>());
}

bool keeps_columns(const RuleInfo& rule) {
  const StateShape* const shapes = rule.factored->shape;
  return std::count(shapes, shapes + rule.state_count, StateShape::column) > 0;
}

/// A tensor's matrices, divided into tiles.
struct Cut {
  MatrixShape shape;
  std::size_t matrices;  // in a tile
  std::size_t rows;
  std::size_t columns;
  std::size_t row_tiles;
  std::size_t column_tiles;
  std::size_t tiles;

  explicit Cut(const MatrixShape& matrix) : shape(matrix) {
    const std::size_t elements = matrix.rows * matrix.columns;
    const bool empty = matrix.count == 0 || elements == 0;
    const std::size_t few = std::max<std::size_t>(1, std::min(matrix.rows, tall));
    rows = few;
    columns = std::min(longest_row, tall * wide / few / lane_count * lane_count);
    row_tiles = (matrix.rows + rows - 1) / rows;
    column_tiles = (matrix.columns + columns - 1) / columns;
    const bool whole = row_tiles * column_tiles == 1 && !empty;
    matrices = whole ? std::max<std::size_t>(1, small_matrices / elements) : 1;
    tiles = empty ? 0 : (matrix.count + matrices - 1) / matrices * row_tiles * column_tiles;
  }
};

/// A run, and the memory for the results of its tiles.
class Work {
 public:
  explicit Work(const Run& run)
      : run_(&run),
        kernels_(run.rule->factored),
        cut_(run.tensor->matrices),
        keeps_rows_(state(StateShape::row) != nullptr),
        keeps_columns_(state(StateShape::column) != nullptr && cut_.shape.rows > 1) {}

  [[nodiscard]] std::size_t tiles() const { return cut_.tiles; }
  [[nodiscard]] std::size_t touched_rows() const { return run_->rows->size(); }

  [[nodiscard]] std::size_t scratch() const {
    return row_values() + in_doubles(column_values()) + in_doubles(row_factors()) +
           in_doubles(column_factors()) + 2 * cut_.tiles;
  }

  void use(double* scratch) {
    row_values_ = scratch;
    column_values_ = row_values_ + row_values();
    row_factors_ = column_values_ + in_doubles(column_values());
    column_factors_ = row_factors_ + in_doubles(row_factors());
    totals_ = column_factors_ + in_doubles(column_factors());
  }

  void run(Pass pass, std::size_t index) const {
    const Tile part = tile(index);
    double* const total = totals_ + (pass == Pass::measure ? cut_.tiles : 0) + index;
    kernel(pass)(run_->hyper, run_->step, run_->preprocess, part, total);
  }

  /// The number of doubles that a thread needs for touched rows.
  [[nodiscard]] std::size_t row_memory() const {
    const std::size_t bytes = run_->rows->row_length() * item_size(run_->dtype);
    return cut_.column_tiles + (bytes + sizeof(double) - 1) / sizeof(double);
  }
  /// Makes a whole step for touched rows. Only for rules without column states.
  void run_rows(std::size_t begin, std::size_t end, double* stats) const {
    const CoalescedRows& rows = *run_->rows;
    auto* const sum = reinterpret_cast<std::byte*>(stats + cut_.column_tiles);
    for (std::size_t index = begin; index < end; ++index) {
      const std::byte* grad = sum;
      if (rows.is_sum(index))
        rows.write(index, 0, rows.row_length(), sum);
      else
        grad = rows.values(index, 0);
      run_row(rows.row(index), grad, stats);
    }
  }

  /// Combines the results of a pass for the next pass or step.
  void finish(Pass pass) const {
    if (pass != Pass::update) {
      const double* const totals = totals_ + (pass == Pass::measure ? cut_.tiles : 0);
      run_->sums[pass == Pass::measure ? 1 : 0] = std::accumulate(totals, totals + cut_.tiles, 0.0);
    }
    if (pass != kernels_->collecting || cut_.tiles == 0) return;
    RowColumnStats stats{{},
                         row_factors_,
                         column_factors_,
                         keeps_rows_ ? row_values_ : nullptr,
                         keeps_columns_ ? column_values_ : nullptr,
                         cut_.shape.count,
                         cut_.shape.rows,
                         cut_.shape.columns,
                         cut_.row_tiles,
                         cut_.column_tiles};
    std::copy_n(run_->tensor->state, max_states, stats.state);
    combine(stats);
  }

 private:
  void run_row(std::size_t row, const std::byte* grad, double* stats) const {
    const std::size_t columns = cut_.shape.columns;
    const auto over_tiles = [&](Pass pass) {
      for (std::size_t left = 0; left < columns; left += cut_.columns) {
        Tile tile = piece(row, 0, left);
        tile.grad = grad + left * item_size(run_->dtype);
        tile.row_values = stats + left / cut_.columns;
        tile.row_stride = tile.matrices = tile.rows = 1;
        tile.columns = std::min(cut_.columns, columns - left);
        double total = 0;
        kernel(pass)(run_->hyper, run_->step, run_->preprocess, tile, &total);
      }
    };
    over_tiles(Pass::collect);
    RowColumnStats all{};
    const Tile start = piece(row, 0, 0);
    std::copy_n(start.state, max_states, all.state);
    all.row_values = stats;
    all.matrices = all.rows = all.row_tiles = 1;
    all.columns = columns;
    all.column_tiles = cut_.column_tiles;
    combine(all);
    over_tiles(Pass::update);
  }

  [[nodiscard]] FactoredPass kernel(Pass pass) const {
    const bool general = run_->preprocess.l2 != 0 || run_->preprocess.rest != 1;
    return kernels_->pass[int(pass)][int(run_->dtype)][general ? 1 : 0];
  }

  void combine(const RowColumnStats& stats) const {
    kernels_->combine[run_->dtype == DType::float64 ? 1 : 0](run_->hyper, run_->step, stats);
  }

  [[nodiscard]] std::size_t row_values() const {
    return keeps_rows_ ? cut_.shape.count * cut_.shape.rows * cut_.column_tiles : 0;
  }
  [[nodiscard]] std::size_t column_values() const {
    return keeps_columns_ ? cut_.shape.count * cut_.row_tiles * cut_.shape.columns : 0;
  }
  [[nodiscard]] std::size_t row_factors() const {
    return keeps_rows_ && kernels_->relative_rows ? cut_.shape.count * cut_.shape.rows : 0;
  }
  [[nodiscard]] std::size_t column_factors() const {
    return keeps_columns_ && kernels_->takes_factors ? cut_.shape.count * cut_.shape.columns : 0;
  }

  [[nodiscard]] std::size_t wide_item() const { return item_size(state_dtype(run_->dtype)); }
  [[nodiscard]] std::size_t in_doubles(std::size_t numbers) const {
    return (numbers * wide_item() + sizeof(double) - 1) / sizeof(double);
  }

  [[nodiscard]] void* state(StateShape shape) const {
    for (std::size_t k = 0; k < run_->rule->state_count; ++k)
      if (kernels_->shape[k] == shape) return run_->tensor->state[k];
    return nullptr;
  }

  [[nodiscard]] Tile tile(std::size_t index) const {
    const std::size_t across = cut_.column_tiles, down = cut_.row_tiles;
    const std::size_t matrix = index / (across * down) * cut_.matrices;
    const std::size_t top = index / across % down * cut_.rows;
    const std::size_t left = index % across * cut_.columns;
    const std::size_t row = matrix * cut_.shape.rows + top;
    Tile tile = piece(row, matrix * cut_.shape.columns, left);
    if (keeps_rows_) {
      if (kernels_->relative_rows)
        tile.row_factor = reinterpret_cast<const std::byte*>(row_factors_) + row * wide_item();
      tile.row_values = row_values_ + row * across + left / cut_.columns;
      tile.row_stride = across;
    }
    if (keeps_columns_) {
      if (kernels_->takes_factors)
        tile.column_factor = reinterpret_cast<const std::byte*>(column_factors_) +
                             (matrix * cut_.shape.columns + left) * wide_item();
      tile.column_values =
          reinterpret_cast<std::byte*>(column_values_) +
          ((matrix * down + top / cut_.rows) * cut_.shape.columns + left) * wide_item();
    }
    tile.matrices = std::min(cut_.matrices, cut_.shape.count - matrix);
    tile.rows = std::min(cut_.rows, cut_.shape.rows - top);
    tile.columns = std::min(cut_.columns, cut_.shape.columns - left);
    return tile;
  }

  /// The pointers of a tile. `row` counts the rows of all matrices, and `left` the columns of the
  /// matrix whose first column is number `first_column` of all.
  [[nodiscard]] Tile piece(std::size_t row, std::size_t first_column, std::size_t left) const {
    const std::size_t element = row * cut_.shape.columns + left;
    const std::size_t item = item_size(run_->dtype);
    Tile tile{};
    tile.param = static_cast<std::byte*>(run_->tensor->param) + element * item;
    tile.grad = static_cast<const std::byte*>(run_->grad) + element * item;
    tile.stride = cut_.shape.columns;
    for (std::size_t k = 0; k < run_->rule->state_count; ++k) {
      const StateShape shape = kernels_->shape[k];
      const std::size_t first = shape == StateShape::row      ? row
                                : shape == StateShape::column ? first_column + left
                                                              : element;
      auto* const state = static_cast<std::byte*>(run_->tensor->state[k]);
      tile.state[k] = state == nullptr ? nullptr : state + first * wide_item();
      if (shape == StateShape::row) tile.row_factor = tile.state[k];
      if (shape == StateShape::column) tile.column_factor = tile.state[k];
    }
    return tile;
  }

  const Run* run_;
  const FactoredKernels* kernels_;
  Cut cut_;
  bool keeps_rows_;
  bool keeps_columns_;  // whether column results need memory in the dtype of arithmetic
  double* row_values_ = nullptr;
  double* column_values_ = nullptr;  // this and the next one in the dtype of arithmetic
  double* row_factors_ = nullptr;
  double* column_factors_ = nullptr;
  double* totals_ = nullptr;
};

}  // namespace

MatrixShape matrices_of(const RuleInfo& rule, const Shape& shape) {
  const std::size_t size = product(shape.begin(), shape.end());
  if (shape.size() < 2)
    return keeps_columns(rule) ? MatrixShape{1, 1, size, true} : MatrixShape{1, size, 1, false};
  if (rule.factored->matrices == Matrices::first_axis)
    return {1, shape.front(), product(shape.begin() + 1, shape.end()), false};
  return {product(shape.begin(), shape.end() - 2), shape.end()[-2], shape.back(), false};
}

bool keeps_state(const RuleInfo& rule, std::size_t state, const MatrixShape& matrices) {
  return !(matrices.vector && rule.factored->shape[state] == StateShape::row);
}

std::size_t state_size(const RuleInfo& rule, std::size_t state, const Tensor& tensor) {
  const MatrixShape& matrices = tensor.matrices;
  if (rule.factored == nullptr || rule.factored->shape[state] == StateShape::element)
    return tensor.size;
  return matrices.count *
         (rule.factored->shape[state] == StateShape::row ? matrices.rows : matrices.columns);
}

Shape state_shape(const RuleInfo& rule, std::size_t state, const Shape& shape) {
  const StateShape kind = rule.factored->shape[state];
  if (kind == StateShape::element || shape.size() < 2) return shape;
  if (rule.factored->matrices == Matrices::first_axis)
    return kind == StateShape::row ? Shape{shape.front()} : Shape(shape.begin() + 1, shape.end());
  Shape result = shape;
  result.end()[kind == StateShape::row ? -1 : -2] = 1;
  return result;
}

const char* state_name(const RuleInfo& rule, std::size_t state, const MatrixShape& matrices) {
  const bool renamed = matrices.vector && rule.factored->one_row_state != nullptr &&
                       rule.factored->shape[state] == StateShape::column;
  return renamed ? rule.factored->one_row_state : rule.states[state];
}

struct FactoredPlan::Parts {
  /// Whole tensors.
  struct Wave {
    std::size_t first_work;
    std::size_t first_tile;
  };
  int threads = 1;
  std::vector<Pass> passes;
  std::vector<Work> works;
  std::vector<Work> by_rows;
  std::vector<Wave> waves;
  std::vector<std::size_t> work_of;  // for each tile
  std::vector<std::size_t> first_tile;
  std::vector<double> scratch;
  std::vector<double> row_memory;  // for all threads
  std::size_t row_memory_of_thread = 0;
};

FactoredPlan::FactoredPlan() = default;
FactoredPlan::~FactoredPlan() = default;

void FactoredPlan::prepare(const std::vector<Run>& runs, int threads) {
  if (parts_ == nullptr) parts_ = std::make_unique<Parts>();
  auto& [of_step, passes, works, by_rows, waves, work_of, first_tile, scratch, row_memory,
         of_thread] = *parts_;
  of_step = threads;
  passes.clear();
  works.clear();
  by_rows.clear();
  waves.clear();
  work_of.clear();
  first_tile.clear();
  const FactoredKernels& kernels = *runs.front().rule->factored;
  for (const Pass pass : {Pass::collect, Pass::measure, Pass::update})
    if (kernels.pass[int(pass)][0][0] != nullptr) passes.push_back(pass);

  const std::size_t max_elements = wave * std::size_t(std::max(1, threads / 2));
  std::size_t in_wave = max_elements, memory = 0;
  of_thread = 0;
  for (const Run& run : runs) {
    if (run.rows != nullptr) {
      by_rows.emplace_back(run);
      of_thread = std::max(of_thread, by_rows.back().row_memory());
      continue;
    }
    if (waves.empty() || in_wave + run.elements > max_elements) {
      waves.push_back({works.size(), work_of.size()});
      in_wave = 0;
    }
    in_wave += run.elements;
    first_tile.push_back(work_of.size());
    works.emplace_back(run);
    work_of.insert(work_of.end(), works.back().tiles(), works.size() - 1);
    memory += works.back().scratch();
  }
  waves.push_back({works.size(), work_of.size()});
  if (scratch.size() < memory) scratch.resize(memory);
  double* free = scratch.data();
  for (Work& work : works) {
    work.use(free);
    free += work.scratch();
  }
  constexpr std::size_t line = 64 / sizeof(double);
  of_thread = (of_thread + line - 1) / line * line;
  row_memory.resize(std::max(row_memory.size(), of_thread * std::size_t(threads)));
}

void FactoredPlan::execute() {
  Parts& parts = *parts_;
  parallel_waves(
      parts.threads, parts.waves.size() - 1, parts.passes.size(),
      [&](std::size_t w) { return parts.waves[w + 1].first_tile - parts.waves[w].first_tile; },
      [&](std::size_t pass, std::size_t w, std::size_t i, int /*thread*/) {
        const std::size_t tile = parts.waves[w].first_tile + i, work = parts.work_of[tile];
        parts.works[work].run(parts.passes[pass], tile - parts.first_tile[work]);
      },
      [&](std::size_t pass, std::size_t w) {
        for (std::size_t i = parts.waves[w].first_work; i < parts.waves[w + 1].first_work; ++i)
          parts.works[i].finish(parts.passes[pass]);
      });
  for (const Work& work : parts.by_rows) {
    constexpr std::size_t grain = 16;  // rows
    parallel_for(parts.threads, work.touched_rows(), grain, 64 * grain,
                 [&](int thread, std::size_t begin, std::size_t end) {
                   double* const memory =
                       parts.row_memory.data() + std::size_t(thread) * parts.row_memory_of_thread;
                   work.run_rows(begin, end, memory);
                 });
  }
  const FloatEnvironment environment;
  for (const Work& work : parts.works) work.finish(Pass::update);
}

}  // namespace pyoptim
