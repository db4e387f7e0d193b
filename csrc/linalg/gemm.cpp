#include "linalg/gemm.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/dispatch.hpp"
#include "core/parallel.hpp"
#include "core/scratch_buffer.hpp"
#include "core/threads.hpp"
#include "linalg/kernel_table.hpp"

namespace pyoptim {

PYOPTIM_PER_ISA(GemmTable, gemm_table);

namespace {

// The sizes of the blocks. With gemm_depth terms, each takes half of the second-level cache.
constexpr std::size_t packed_columns = 480;  // of b, a multiple of every tile's columns
constexpr std::size_t max_rows = 256;        // of a
constexpr std::size_t sum_rows = 1024;       // for each packed part of b
constexpr std::size_t skew = 16;             // between rows that would share cache sets otherwise
// Matrices with fewer rows or columns are divided into one piece for each thread, as updates are.
// So a thread finds a gradient that it wrote in its cache when it updates the parameters.
constexpr std::size_t large = 4096;

template <class F>
class Gemm {
 public:
  Gemm(const StridedMatrix& a, const StridedMatrix& b, F* c, std::ptrdiff_t c_stride)
      : kernels_(gemm_table.current()[sizeof(F) == sizeof(double) ? 1 : 0]),
        a_(a),
        b_(b),
        c_(c),
        c_stride_(c_stride) {
    // Rows that differ by a multiple of 1024 bytes share cache sets.
    constexpr std::ptrdiff_t bad = 1024 / sizeof(F);
    copies_a_ = a.column_stride == 1 && a.row_stride % bad == 0 && a.rows > 2;
    const bool far_apart = b.row_stride % bad == 0 || b.row_stride >= 2048;
    packs_b_ = b.column_stride != 1 || (far_apart && a.rows >= 8 * kernels_.tile_rows);
  }

  /// Allocates the memory of run(), for the largest number of threads.
  void reserve() {
    const auto threads = std::size_t(threads_for(cost(), 0));
    allocate(threads, false);
    if (runs_by_halves(threads)) allocate(threads, true);
  }

  void run() {
    const Team team(cost(), 0);
    const auto threads = std::size_t(team.threads());
    const bool by_halves = runs_by_halves(threads);
    allocate(threads, by_halves);
    if (by_halves) {
      run_by_halves(team.threads());
      return;
    }
    // Pieces of rows, or of columns if there are too few rows for all threads.
    const bool by_rows = a_.rows >= threads * 2 * kernels_.tile_rows || a_.rows >= b_.columns ||
                         b_.columns <= kernels_.tile_columns;
    const std::size_t total = by_rows ? a_.rows : b_.columns;
    const std::size_t grain = by_rows ? kernels_.tile_rows : kernels_.tile_columns;
    parallel_for(team.threads(), total, grain, large / grain * grain,
                 [&](int thread, std::size_t begin, std::size_t end) {
                   if (by_rows)
                     multiply_part({begin, end}, {0, b_.columns}, thread);
                   else
                     multiply_part({0, a_.rows}, {begin, end}, thread);
                 });
  }

 private:
  /// The cost in elements of an update, each of which takes as long as 16 multiplications.
  [[nodiscard]] std::size_t cost() const { return a_.rows * a_.columns * b_.columns / 16; }
  [[nodiscard]] bool runs_by_halves(std::size_t threads) const {
    return threads > 1 && blocks() > 1 && 2 * a_.rows <= a_.columns;
  }

  [[nodiscard]] const F* a_at(std::size_t row, std::size_t k) const {
    return static_cast<const F*>(a_.data) + std::ptrdiff_t(row) * a_.row_stride +
           std::ptrdiff_t(k) * a_.column_stride;
  }
  [[nodiscard]] const F* b_at(std::size_t k, std::size_t column) const {
    return static_cast<const F*>(b_.data) + std::ptrdiff_t(k) * b_.row_stride +
           std::ptrdiff_t(column) * b_.column_stride;
  }

  struct Interval {
    std::size_t begin;
    std::size_t end;
    [[nodiscard]] std::size_t size() const { return end - begin; }
  };
  /// A part of a matrix of sums: its first element, and the stride of its rows.
  struct Sums {
    F* data;
    std::ptrdiff_t stride;
    [[nodiscard]] Sums at(std::size_t row, std::size_t column) const {
      return {data + std::ptrdiff_t(row) * stride + column, stride};
    }
  };

  /// The parts of a thread's memory.
  enum class Part : std::uint8_t { copied_a, packed_b, sums, count };

  /// Allocates all memory before threads are started.
  void allocate(std::size_t threads, bool by_halves) {
    constexpr std::size_t line = 64 / sizeof(F);
    of_thread_ = 0;
    const auto place = [&](Part part, bool needed, std::size_t size) {
      place_[std::size_t(part)] = of_thread_;
      if (needed) of_thread_ += (size + line - 1) / line * line + line;
    };
    place(Part::copied_a, copies_a_, max_rows * (gemm_depth + skew));
    place(Part::packed_b, packs_b_, gemm_depth * (packed_columns + skew));
    place(Part::sums, !by_halves && second_half().size() > 1,
          std::min(sum_rows, a_.rows) * std::min(packed_columns, b_.columns));
    const std::size_t common = by_halves ? a_.rows * b_.columns : 0;
    thread_local ScratchBuffer scratch_buffer;
    memory_ =
        reinterpret_cast<F*>(scratch_buffer.allocate((threads * of_thread_ + common) * sizeof(F)));
    common_ = memory_ + threads * of_thread_;
  }
  [[nodiscard]] F* scratch(int thread, Part part) const {
    return memory_ + std::size_t(thread) * of_thread_ + place_[std::size_t(part)];
  }

  /// Sums are over blocks of terms of nearly equal size. The blocks of the first half are added in
  /// order, those of the second half too, and then both halves.
  [[nodiscard]] std::size_t blocks() const {
    return std::max<std::size_t>(1, (a_.columns + gemm_depth - 1) / gemm_depth);
  }
  [[nodiscard]] std::size_t depth() const { return (a_.columns + blocks() - 1) / blocks(); }
  [[nodiscard]] Interval first_half() const { return {0, (blocks() + 1) / 2}; }
  [[nodiscard]] Interval second_half() const { return {(blocks() + 1) / 2, blocks()}; }

  /// The product of few rows with a larger matrix. Half of the threads take the first half of the
  /// matrix and the others the second half, always the same, so that it stays in their caches.
  void run_by_halves(int threads) {
    const std::size_t groups = std::min(std::size_t(threads) / 2, a_.rows);
    const Interval columns{0, b_.columns};
    const Sums c{c_, c_stride_};
    const Sums second{common_, std::ptrdiff_t(b_.columns)};
    parallel_for(threads, 2 * groups, 1, 1, [&](int thread, std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t group = i % groups;
        const Interval rows{a_.rows * group / groups, a_.rows * (group + 1) / groups};
        add_up(rows, columns, i < groups ? first_half() : second_half(),
               (i < groups ? c : second).at(rows.begin, 0), false, thread);
      }
    });
    const FloatEnvironment environment;
    add(second, a_.rows, b_.columns, c);
  }

  void multiply_part(const Interval& rows, const Interval& columns, int thread) const {
    for (std::size_t j = columns.begin; j < columns.end; j += packed_columns)
      for (std::size_t i = rows.begin; i < rows.end; i += sum_rows)
        multiply_panel({i, std::min(i + sum_rows, rows.end)},
                       {j, std::min(j + packed_columns, columns.end)}, thread);
  }

  void multiply_panel(const Interval& rows, const Interval& columns, int thread) const {
    const Sums c = Sums{c_, c_stride_}.at(rows.begin, columns.begin);
    add_up(rows, columns, first_half(), c, false, thread);
    if (second_half().size() <= 1) {
      add_up(rows, columns, second_half(), c, true, thread);
      return;
    }
    const Sums second{scratch(thread, Part::sums), std::ptrdiff_t(columns.size())};
    add_up(rows, columns, second_half(), second, false, thread);
    add(second, rows.size(), columns.size(), c);
  }

  /// Not inlined, so that both callers run the same code: if both operands are NaN, the sign of the
  /// first one is kept, and compilers choose the first operand anew in each copy.
  [[gnu::noinline]] static void add(const Sums& sums, std::size_t rows, std::size_t columns,
                                    const Sums& to) {
    for (std::size_t i = 0; i < rows; ++i) {
      const F* const from = sums.at(i, 0).data;
      F* const row = to.at(i, 0).data;
      for (std::size_t j = 0; j < columns; ++j) row[j] += from[j];
    }
  }

  /// The sums of some blocks of terms. The first block overwrites the output, unless `adds`.
  void add_up(const Interval& rows, const Interval& columns, const Interval& of_blocks,
              const Sums& sums, bool adds, int thread) const {
    for (std::size_t j = columns.begin; j < columns.end; j += packed_columns) {
      const Interval panel{j, std::min(j + packed_columns, columns.end)};
      for (std::size_t block = of_blocks.begin; block < of_blocks.end; ++block)
        add_block(rows, panel, block, sums.at(0, j - columns.begin),
                  adds || block > of_blocks.begin, thread);
    }
  }

  void add_block(const Interval& rows, const Interval& columns, std::size_t block, const Sums& sums,
                 bool adds, int thread) const {
    const std::size_t k = std::min(block * depth(), a_.columns);
    const std::size_t terms = std::min(depth(), a_.columns - k);
    const F* b = b_at(k, columns.begin);
    std::ptrdiff_t b_step = b_.row_stride;
    if (packs_b_) {
      b_step = std::ptrdiff_t(columns.size() + skew);
      b = packed_b(b, terms, columns.size(), b_step, thread);
    }
    for (std::size_t row = rows.begin; row < rows.end; row += max_rows) {
      const std::size_t height = std::min(max_rows, rows.end - row);
      const F* a = a_at(row, k);
      std::ptrdiff_t a_row = a_.row_stride;
      if (copies_a_) {
        a_row = std::ptrdiff_t(gemm_depth + skew);
        a = copied_a(a, height, terms, a_row, thread);
      }
      const Sums part = sums.at(row - rows.begin, 0);
      kernels_.multiply({a, a_row, a_.column_stride, b, b_step, part.data, part.stride, height,
                         columns.size(), terms, adds});
    }
  }

  const F* copied_a(const F* a, std::size_t height, std::size_t terms, std::ptrdiff_t a_row,
                    int thread) const {
    F* const copy = scratch(thread, Part::copied_a);
    for (std::size_t i = 0; i < height; ++i)
      std::copy_n(a + std::ptrdiff_t(i) * a_.row_stride, terms, copy + std::ptrdiff_t(i) * a_row);
    return copy;
  }

  const F* packed_b(const F* b, std::size_t depth, std::size_t columns, std::ptrdiff_t stride,
                    int thread) const {
    F* const copy = scratch(thread, Part::packed_b);
    constexpr std::size_t square = 16;  // so that every loaded cache line is used completely
    for (std::size_t k = 0; k < depth; k += square)
      for (std::size_t j = 0; j < columns; j += square)
        copy_square(b + std::ptrdiff_t(k) * b_.row_stride + std::ptrdiff_t(j) * b_.column_stride,
                    std::min(square, depth - k), std::min(square, columns - j),
                    copy + std::ptrdiff_t(k) * stride + j, stride);
    return copy;
  }
  void copy_square(const F* from, std::size_t rows, std::size_t columns, F* to,
                   std::ptrdiff_t stride) const {
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j)
        to[std::ptrdiff_t(i) * stride + std::ptrdiff_t(j)] =
            from[std::ptrdiff_t(i) * b_.row_stride + std::ptrdiff_t(j) * b_.column_stride];
  }

  const GemmKernels& kernels_;
  StridedMatrix a_, b_;
  F* c_;
  std::ptrdiff_t c_stride_;
  bool copies_a_, packs_b_;
  F* memory_ = nullptr;
  F* common_ = nullptr;  // the second half of the sums of all rows
  std::size_t of_thread_ = 0;
  std::size_t place_[std::size_t(Part::count)] = {};
};

}  // namespace

void gemm(const StridedMatrix& a, const StridedMatrix& b, void* c, std::ptrdiff_t c_stride,
          DType dtype) {
  if (a.rows == 0 || b.columns == 0) return;
  if (dtype == DType::float64)
    Gemm<double>(a, b, static_cast<double*>(c), c_stride).run();
  else
    Gemm<float>(a, b, static_cast<float*>(c), c_stride).run();
}

void reserve_gemm(const StridedMatrix& a, const StridedMatrix& b, DType dtype) {
  if (a.rows == 0 || b.columns == 0) return;
  if (dtype == DType::float64)
    Gemm<double>(a, b, nullptr, 0).reserve();
  else
    Gemm<float>(a, b, nullptr, 0).reserve();
}

}  // namespace pyoptim
