// One step's work, cut over threads by elements, whatever tensors they belong to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/kept_memory.hpp"
#include "foreach/norm.hpp"
#include "optim/factored/factored_plan.hpp"
#include "optim/fused_options.hpp"
#include "optim/kernel_table.hpp"
#include "optim/quantize/kernel_table.hpp"
#include "optim/sparse_grad.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim {

/// An array as row-major matrices that follow each other, or as a vector: one row that is none.
struct MatrixShape {
  std::size_t count = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;
  bool vector = false;
};

/// What a tensor's states were begun with, to tell whether somebody has written others since.
struct Beginning {
  bool known = false;  ///< If not, nobody has been given the memory to write to.
  double state[max_states] = {};
  double scalars[max_scalars] = {};
  std::uint64_t copy = 0;  ///< The checksum of a state that is a copy of the parameters.
  std::uint64_t ema = 0;   ///< The same of their mean.
  unsigned written = 0;  ///< Bit k: whether state k is; bit max_states: the mean of the parameters.
};

/// A parameter, what the rule keeps for it, and how many steps it has made.
struct Tensor {
  void* param = nullptr;
  std::size_t size = 0;
  DType dtype = DType::float32;
  std::size_t group = 0;
  void* state[max_states] = {};
  double scalars[max_scalars] = {};
  double sums[max_sums] = {};  // what the rule measured in the step that is being made
  ExtraArrays extra;
  MatrixShape matrices;  // of rules with states for rows and columns
  std::int64_t steps = 0;
  Beginning beginning;

  /// What Step::written is in the next step.
  [[nodiscard]] unsigned written() const { return steps == 0 ? beginning.written : 0; }
};

constexpr std::size_t wave = 1 << 20;  // elements that stay in cache between two passes

/// Spans that one call of a kernel can update: same rule, settings, type and step.
struct Run {
  Update update;
  Measure measure;  // for rules that measure: such a run is of one tensor
  double* sums;     // where to
  std::size_t sum_count;
  bool sums_of_all;
  const double* hyper;
  Step step;
  Shaping shaping;
  DType dtype;
  std::size_t first_span;
  std::size_t span_count;
  std::size_t elements;
  // For what is done around updates: such a run is of one tensor, too.
  const Extras* extras;  // nullptr if nothing is
  const QuantizeKernels* quantize;
  const FusedKernels* fused;
  const RuleInfo* rule;
  const Tensor* tensor;
  const void* grad;
  std::size_t state_count;
  std::uint32_t key;          // of this step's random rounding
  const CoalescedRows* rows;  // what the step touches of the one tensor; nullptr: all of it
};

class Plan {
 public:
  void clear();
  void start_run(const Run& run);
  /// Adds a tensor to the last run; memory that goes on where the last span ends lengthens it.
  void add(const Tensor& tensor, const void* grad, std::size_t state_count);

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  /// The elements that are read of gradients.
  [[nodiscard]] std::size_t work() const { return work_; }

  /// Takes room for so many tensors, so that planning them again allocates nothing.
  void reserve(std::size_t tensors);
  /// Takes all memory that so many threads need; again for the same tensors allocates nothing.
  void prepare(int threads);
  /// Does the work in one parallel region, and allocates nothing.
  void execute();

 private:
  /// A part of a tensor of whole blocks, and where its sums go.
  struct Piece {
    const Run* run;
    std::size_t begin;
    std::size_t end;
    double* sums;
  };
  /// Whole tensors.
  struct Wave {
    std::size_t first_piece;
    std::size_t first_run;
  };

  [[nodiscard]] bool is_by_tensor() const;
  void prepare_by_tensor();
  void execute_by_tensor();
  void execute_part(const Run& run, std::size_t begin, std::size_t end) const;
  void measure(const Piece& piece, int thread) const;
  void update(const Piece& piece, int thread) const;
  void add_up(std::size_t wave);
  [[nodiscard]] std::byte* memory_of(int thread) const;

  std::vector<Run> runs_;
  std::vector<Span> spans_;
  std::size_t elements_ = 0;
  std::size_t work_ = 0;
  // What prepare() makes.
  int threads_ = 1;
  std::vector<Piece> pieces_;
  std::vector<Wave> waves_;
  std::vector<std::size_t> first_block_;  // of each run
  std::vector<double> sums_;
  KeptMemory memory_;
  std::size_t memory_of_thread_ = 0;
  FactoredPlan factored_;
};

/// Calls work(part) on parts that together are the span, on the threads that suit its size.
void each_part(const Span& span, DType dtype, int threads,
               void (*work)(const void* context, const Span& part), const void* context);
template <class Work>
void each_part(const Span& span, DType dtype, int threads, const Work& work) {
  each_part(
      span, dtype, threads,
      [](const void* context, const Span& part) { (*static_cast<const Work*>(context))(part); },
      &work);
}

}  // namespace pyoptim
