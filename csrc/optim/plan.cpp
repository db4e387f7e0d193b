#include "optim/plan.hpp"

#include <algorithm>
#include <cmath>

#include "core/parallel.hpp"
#include "optim/factored/factored.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim {
namespace {

constexpr std::size_t grain = 1024;     // elements; a multiple of every SIMD width and unrolling
constexpr std::size_t chunk = 1 << 18;  // the largest piece that a thread takes at a time
static_assert(chunk <= max_fused_size);

template <class Pointer>
Pointer advance_bytes(Pointer pointer, std::size_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const std::byte,
                                  std::byte>;
  return static_cast<Byte*>(pointer) + bytes;
}

/// The elements [begin, end) of a span.
Span cut(Span span, DType dtype, std::size_t begin, std::size_t end) {
  const std::size_t item = item_size(dtype), state_item = item_size(state_dtype(dtype));
  span.param = advance_bytes(span.param, begin * item);
  span.grad = advance_bytes(span.grad, begin * item);
  for (void*& state : span.state)
    if (state != nullptr) state = advance_bytes(state, begin * state_item);
  span.size = end - begin;
  return span;
}

}  // namespace

void Plan::clear() {
  runs_.clear();
  spans_.clear();
  elements_ = work_ = 0;
}

void Plan::start_run(const Run& run) {
  runs_.push_back(run);
  runs_.back().first_span = spans_.size();
  runs_.back().span_count = 0;
  runs_.back().elements = 0;
}

void Plan::add(const Tensor& tensor, const void* grad, std::size_t state_count) {
  Run& run = runs_.back();
  if (run.rows != nullptr) {
    run.elements = run.rows->size() * run.rows->row_length();
    elements_ += run.elements;
    work_ += run.rows->row_count() * run.rows->row_length();
    return;
  }
  run.elements += tensor.size;
  elements_ += tensor.size;
  work_ += tensor.size;
  if (run.span_count > 0) {
    Span& last = spans_.back();
    const Span next = cut(last, run.dtype, last.size, last.size);
    bool goes_on = next.param == tensor.param && next.grad == grad;
    for (std::size_t k = 0; k < state_count; ++k)
      goes_on = goes_on && next.state[k] == tensor.state[k];
    if (goes_on) {
      last.size += tensor.size;
      return;
    }
  }
  Span span{tensor.param, grad, {}, tensor.size};
  std::copy_n(tensor.state, state_count, span.state);
  spans_.push_back(span);
  ++run.span_count;
}

void each_part(const Span& span, DType dtype, int threads,
               void (*work)(const void* context, const Span& part), const void* context) {
  const Team team(span.size, threads);
  parallel_for(team.threads(), span.size, grain, chunk, [&](std::size_t begin, std::size_t end) {
    work(context, cut(span, dtype, begin, end));
  });
}

bool Plan::is_by_tensor() const {
  return !runs_.empty() && (runs_.front().sum_count > 0 || runs_.front().fused != nullptr);
}

void Plan::reserve(std::size_t tensors) {
  runs_.reserve(tensors);
  spans_.reserve(tensors);
}

void Plan::prepare(int threads) {
  threads_ = threads;
  if (!runs_.empty() && runs_.front().rule->factored != nullptr)
    factored_.prepare(runs_, threads);
  else if (is_by_tensor())
    prepare_by_tensor();
}

void Plan::execute() {
  if (!runs_.empty() && runs_.front().rule->factored != nullptr) {
    factored_.execute();
    return;
  }
  if (is_by_tensor()) {
    execute_by_tensor();
    return;
  }
  if (threads_ == 1) {
    const FloatEnvironment environment;
    for (const Run& run : runs_)
      if (run.rows != nullptr)
        update_rows(run, 0, run.elements);
      else
        run.update(run.hyper, run.step, run.preprocess, &spans_[run.first_span], run.span_count,
                   nullptr);
    return;
  }
  parallel_for(threads_, elements_, grain, chunk, [this](std::size_t first, std::size_t last) {
    std::size_t start = 0;
    for (const Run& run : runs_) {
      const std::size_t stop = start + run.elements;
      const std::size_t begin = std::max(start, first), end = std::min(stop, last);
      if (begin < end) execute_part(run, begin - start, end - start);
      start = stop;
    }
  });
}

void Plan::prepare_by_tensor() {
  // Several pieces for each thread in a wave, so that threads do not wait long for each other.
  const std::size_t per_thread =
      std::min(elements_, wave) / std::size_t(8 * threads_) / sum_block * sum_block;
  const std::size_t max_piece = std::clamp(per_thread, sum_block, chunk);
  pieces_.clear();
  waves_.clear();
  first_block_.clear();
  std::size_t blocks = 0, in_wave = wave;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const Run& run = runs_[i];
    if (waves_.empty() || (!run.global_sums && in_wave + run.elements > wave)) {
      waves_.push_back({pieces_.size(), i});
      in_wave = 0;
    }
    in_wave += run.elements;
    first_block_.push_back(blocks);
    for (std::size_t at = 0; at < run.elements; at += max_piece)
      pieces_.push_back({&run, at, std::min(at + max_piece, run.elements), nullptr});
    blocks += (run.elements + sum_block - 1) / sum_block;
  }
  waves_.push_back({pieces_.size(), runs_.size()});
  first_block_.push_back(blocks);
  const std::size_t count = runs_.front().sum_count;
  sums_.assign(blocks * count, 0.0);
  for (Piece& piece : pieces_)
    if (count > 0)
      piece.sums =
          &sums_[(first_block_[std::size_t(piece.run - runs_.data())] + piece.begin / sum_block) *
                 count];
  if (runs_.front().fused == nullptr) return;
  memory_of_thread_ = (fused_memory(count > 0) + 63) / 64 * 64;
  memory_.allocate(memory_of_thread_ * std::size_t(threads_));
}

std::byte* Plan::memory_of(int thread) const {
  return memory_.data() + std::size_t(thread) * memory_of_thread_;
}

void Plan::measure(const Piece& piece, int thread) const {
  const Run& run = *piece.run;
  if (run.fused != nullptr)
    measure_fused(run, piece.begin, piece.end, piece.sums, memory_of(thread));
  else
    run.measure(run.hyper, run.step, run.preprocess,
                cut(spans_[run.first_span], run.dtype, piece.begin, piece.end), sum_block,
                piece.sums);
}

void Plan::update(const Piece& piece, int thread) const {
  const Run& run = *piece.run;
  if (run.fused != nullptr) {
    update_fused(run, piece.begin, piece.end, memory_of(thread));
    return;
  }
  const Span span = cut(spans_[run.first_span], run.dtype, piece.begin, piece.end);
  run.update(run.hyper, run.step, run.preprocess, &span, 1, nullptr);
}

/// Adds the sums of blocks in order, over one tensor or over all.
void Plan::add_up(std::size_t w) {
  const std::size_t count = runs_.front().sum_count;
  double total[max_sums] = {};
  for (std::size_t i = waves_[w].first_run; i < waves_[w + 1].first_run; ++i) {
    if (!runs_[i].global_sums) std::fill_n(total, count, 0.0);
    for (std::size_t k = first_block_[i] * count; k < first_block_[i + 1] * count; ++k)
      total[k % count] += sums_[k];
    std::copy_n(total, count, runs_[i].sums);
  }
  for (std::size_t i = waves_[w].first_run; i < waves_[w + 1].first_run; ++i)
    if (runs_[i].global_sums) std::copy_n(total, count, runs_[i].sums);
}

void Plan::execute_by_tensor() {
  if (runs_.front().sum_count == 0) {
    parallel_for(threads_, pieces_.size(), 1, 1,
                 [this](int thread, std::size_t begin, std::size_t end) {
                   for (std::size_t i = begin; i < end; ++i) update(pieces_[i], thread);
                 });
    return;
  }
  parallel_waves(
      threads_, waves_.size() - 1, 2,
      [this](std::size_t w) { return waves_[w + 1].first_piece - waves_[w].first_piece; },
      [this](std::size_t pass, std::size_t w, std::size_t i, int thread) {
        const Piece& piece = pieces_[waves_[w].first_piece + i];
        if (pass == 0)
          measure(piece, thread);
        else
          update(piece, thread);
      },
      [this](std::size_t /*pass*/, std::size_t w) { add_up(w); });
}

void Plan::execute_part(const Run& run, std::size_t begin, std::size_t end) const {
  if (run.rows != nullptr) {
    update_rows(run, begin, end);
    return;
  }
  const Span* span = &spans_[run.first_span];
  std::size_t start = 0;
  while (start + span->size <= begin) start += (span++)->size;
  while (start < end) {
    if (start < begin || start + span->size > end) {
      const Span part =
          cut(*span, run.dtype, std::max(begin, start) - start, std::min(end - start, span->size));
      run.update(run.hyper, run.step, run.preprocess, &part, 1, nullptr);
      start += (span++)->size;
    } else {
      const Span* const first = span;
      const Span* const last = &spans_[run.first_span] + run.span_count;
      while (span != last && start + span->size <= end) start += (span++)->size;
      run.update(run.hyper, run.step, run.preprocess, first, std::size_t(span - first), nullptr);
    }
  }
}

}  // namespace pyoptim
