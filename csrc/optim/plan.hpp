// The plan of a step. Its work is divided among threads by elements, regardless of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/scratch_buffer.hpp"
#include "foreach/norm.hpp"
#include "optim/factored/factored_plan.hpp"
#include "optim/fused_options.hpp"
#include "optim/kernel_table.hpp"
#include "optim/quantize/kernel_table.hpp"
#include "optim/sparse_grad.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim {

/// An array viewed as consecutive row-major matrices, or as a vector, which is one row.
struct MatrixShape {
  std::size_t count = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;
  bool vector = false;
};

/// The initial states of a tensor, to detect later whether the caller has written them.
struct Beginning {
  bool known = false;  ///< If false, the memory was never handed out.
  double state[max_states] = {};
  double scalars[max_scalars] = {};
  std::uint64_t copy = 0;  ///< The checksum of the state that is a copy of the parameters.
  std::uint64_t ema = 0;   ///< The checksum of the EMA.
  unsigned written = 0;    ///< Bit k is set if state k was written, bit max_states if the EMA was.
};

/// A parameter with its states and the number of its steps.
struct Tensor {
  void* param = nullptr;
  std::size_t size = 0;
  DType dtype = DType::float32;
  std::size_t group = 0;
  void* state[max_states] = {};
  double scalars[max_scalars] = {};
  double sums[max_sums] = {};  // the sums of the first pass of the current step
  FusedArrays fused;
  MatrixShape matrices;  // for rules with factored states
  std::int64_t steps = 0;
  Beginning beginning;

  /// The value of Step::written in the next step.
  [[nodiscard]] unsigned written() const { return steps == 0 ? beginning.written : 0; }
};

constexpr std::size_t wave = 1 << 20;  // elements that stay in cache between two passes

/// Spans that one call of a kernel can update: same rule, hyperparameters, dtype and step.
struct Run {
  Update update;
  Measure measure;  // for rules with a first pass; such a run has one tensor
  double* sums;     // the output of the first pass
  std::size_t sum_count;
  bool global_sums;
  const double* hyper;
  Step step;
  Preprocess preprocess;
  DType dtype;
  std::size_t first_span;
  std::size_t span_count;
  std::size_t elements;
  // For fused options. Such a run has one tensor, too.
  const FusedOptions* fused;  // nullptr if all are off
  const QuantizeKernels* quantize_kernels;
  const FusedKernels* fused_kernels;
  const RuleInfo* rule;
  const Tensor* tensor;
  const void* grad;
  std::size_t state_count;
  std::uint32_t key;          // of stochastic rounding in this step
  const CoalescedRows* rows;  // the rows that the step updates; nullptr: all
};

class Plan {
 public:
  void clear();
  void start_run(const Run& run);
  /// Adds a tensor to the last run. Memory that continues the last span extends it.
  void add(const Tensor& tensor, const void* grad, std::size_t state_count);

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  /// The number of gradient elements that are read.
  [[nodiscard]] std::size_t work() const { return work_; }

  /// Reserves memory for so many tensors, so that planning them again does not allocate.
  void reserve(std::size_t tensors);
  /// Allocates the memory for so many threads. Does not allocate again for the same tensors.
  void prepare(int threads);
  /// Runs the plan in one parallel region, without allocation.
  void execute();

 private:
  /// Whole blocks of a tensor, and the output for their sums.
  struct Piece {
    const Run* run;
    std::size_t begin;
    std::size_t end;
    double* sums;
  };
  /// The pieces and runs of whole tensors.
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
  // Filled by prepare().
  int threads_ = 1;
  std::vector<Piece> pieces_;
  std::vector<Wave> waves_;
  std::vector<std::size_t> first_block_;  // of each run
  std::vector<double> sums_;
  ScratchBuffer memory_;
  std::size_t memory_of_thread_ = 0;
  FactoredPlan factored_;
};

/// Calls work(part) on parts that cover the span, with a number of threads that suits its size.
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
