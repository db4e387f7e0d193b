#include "optim/sparse_grad.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "core/parallel.hpp"
#include "optim/optimizer.hpp"
#include "optim/plan.hpp"
#include "simd/element.hpp"

namespace pyoptim {

using baseline::load;
using baseline::store;

namespace {

constexpr std::size_t digit_bits = 11;          // bits of a row number in one pass of the sort
constexpr std::size_t small_sort = 512;         // below this, a comparison sort is faster
constexpr std::size_t sum_part = 256;           // elements that are added at a time
constexpr std::ptrdiff_t ahead = 6;             // rows that are prefetched before they are added
constexpr std::size_t cache_line = 64;          // bytes
constexpr std::size_t max_spans = 128;          // of one call of a kernel
constexpr std::size_t scratch_bytes = 1 << 14;  // for the sums among the spans
constexpr std::size_t longest_sum = 1 << 11;    // elements of one span that is a sum

/// Prefetches values whose addresses the processor cannot predict.
void fetch(const void* data, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += cache_line)
    __builtin_prefetch(static_cast<const std::byte*>(data) + at);
}

bool rises(const std::int64_t* rows, std::size_t count) {
  for (std::size_t i = 1; i < count; ++i)
    if (rows[i] <= rows[i - 1]) return false;
  return true;
}

}  // namespace

void CoalescedRows::coalesce(const Gradient& gradient, std::size_t limit, std::size_t row_length,
                             DType dtype) {
  gradient_ = gradient;
  row_length_ = row_length;
  dtype_ = dtype;
  item_ = item_size(dtype);
  gathered_ = false;
  size_ = gradient.row_count;
  in_order_ = rises(gradient.rows, gradient.row_count);
  if (in_order_) return;
  sort(limit);
  starts_.clear();
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (i == 0 || entries_[i].row != entries_[i - 1].row) starts_.push_back(i);
  size_ = starts_.size();
  starts_.push_back(entries_.size());
}

/// Stable radix sort that starts with the lowest digits. The largest row number determines the
/// number of passes.
void CoalescedRows::sort(std::size_t limit) {
  const std::size_t count = gradient_.row_count;
  entries_.resize(count);
  for (std::size_t i = 0; i < count; ++i) entries_[i] = {std::size_t(gradient_.rows[i]), i};
  if (count < small_sort) {
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const Entry& a, const Entry& b) { return a.row < b.row; });
    return;
  }
  other_.resize(count);
  constexpr std::size_t digits = std::size_t{1} << digit_bits;
  const auto bits = std::size_t(std::bit_width(limit - 1));
  for (std::size_t shift = 0; shift < bits; shift += digit_bits) {
    const auto digit = [=](const Entry& entry) { return (entry.row >> shift) % digits; };
    std::size_t next[digits] = {};
    for (const Entry& entry : entries_) ++next[digit(entry)];
    std::size_t sum = 0;
    for (std::size_t& place : next) sum += std::exchange(place, sum);
    for (const Entry& entry : entries_) other_[next[digit(entry)]++] = entry;
    entries_.swap(other_);
  }
}

const std::byte* CoalescedRows::values(std::size_t index, std::size_t begin) const {
  if (gathered_) return &memory_[(index * row_length_ + begin) * item_];
  const std::size_t at = in_order_ ? index : entries_[starts_[index]].position;
  return static_cast<const std::byte*>(gradient_.values) + (at * row_length_ + begin) * item_;
}

template <class T>
void CoalescedRows::add(std::size_t index, std::size_t begin, std::size_t size, T* to) const {
  const T* const all = static_cast<const T*>(gradient_.values) + begin;
  const Entry* const first = entries_.data() + starts_[index];
  const Entry* const last = entries_.data() + starts_[index + 1];
  for (std::size_t part = 0; part < size; part += sum_part) {
    const std::size_t count = std::min(sum_part, size - part);
    baseline::Arithmetic<T> sum[sum_part];
    for (const Entry* entry = first; entry != last; ++entry) {
      if (entries_.data() + entries_.size() - entry > ahead)
        fetch(all + entry[ahead].position * row_length_ + part, count * sizeof(T));
      const T* const from = all + entry->position * row_length_ + part;
      if (entry == first)
        for (std::size_t i = 0; i < count; ++i) sum[i] = load(from[i]);
      else
        for (std::size_t i = 0; i < count; ++i) sum[i] += load(from[i]);
    }
    for (std::size_t i = 0; i < count; ++i) store(to[part + i], sum[i]);
  }
}

void CoalescedRows::write(std::size_t index, std::size_t begin, std::size_t size, void* to) const {
  if (!is_sum(index))
    std::memcpy(to, values(index, begin), size * item_);
  else if (dtype_ == DType::float32)
    add(index, begin, size, static_cast<float*>(to));
  else if (dtype_ == DType::float64)
    add(index, begin, size, static_cast<double*>(to));
  else
    add(index, begin, size, static_cast<baseline::bfloat16*>(to));
}

const void* CoalescedRows::gather(int threads) {
  if (in_order_ || row_length_ == 0) return gradient_.values;
  const std::size_t bytes = size_ * row_length_ * item_;
  if (memory_size_ < bytes) {
    memory_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    memory_size_ = bytes;
  }
  const Team team(row_count() * row_length_, threads);
  parallel_for(team.threads(), size_, 1, 1 << 12, [this](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      write(i, 0, row_length_, &memory_[i * row_length_ * item_]);
  });
  gathered_ = true;
  return memory_.get();
}

namespace {

template <class Pointer>
std::byte* advanced(Pointer pointer, std::size_t bytes) {
  return static_cast<std::byte*>(pointer) + bytes;
}

/// Makes spans of the touched rows in batches, and updates them.
class RowSpans {
 public:
  RowSpans(const Run& run, std::size_t begin, std::size_t end)
      : run_(run),
        rows_(*run.rows),
        length_(rows_.row_length()),
        item_(item_size(run.dtype)),
        state_item_(item_size(state_dtype(run.dtype))),
        index_(begin / length_),
        offset_(begin % length_),
        left_(end - begin) {}

  void update() {
    while (left_ > 0) {
      count_ = used_ = 0;
      while (left_ > 0 && add_next()) {
      }
      run_.update(run_.hyper, run_.step, run_.preprocess, spans_, count_, nullptr);
    }
  }

 private:
  /// Adds the rest of a row, or a part of it. Returns false if the batch is full.
  bool add_next() {
    if (count_ == max_spans) return false;
    std::size_t size = std::min(length_ - offset_, left_);
    const void* grad = nullptr;
    if (rows_.is_sum(index_)) {
      size = std::min(size, longest_sum);
      if (used_ + size * item_ > scratch_bytes) return false;
      rows_.write(index_, offset_, size, scratch_ + used_);
      grad = scratch_ + used_;
      used_ += size * item_;
    } else {
      grad = rows_.values(index_, offset_);
    }
    add_span(grad, size);
    left_ -= size;
    offset_ += size;
    if (offset_ == length_) {
      offset_ = 0;
      ++index_;
    }
    return true;
  }

  /// Adds a span, or extends the last one if its memory continues.
  void add_span(const void* grad, std::size_t size) {
    const std::size_t first = rows_.row(index_) * length_ + offset_;
    void* const param = advanced(run_.tensor->param, first * item_);
    if (count_ > 0) {
      // Where parameters are contiguous, states are too.
      Span& last = spans_[count_ - 1];
      const std::size_t bytes = last.size * item_;
      if (param == advanced(last.param, bytes) &&
          grad == static_cast<const std::byte*>(last.grad) + bytes) {
        last.size += size;
        return;
      }
    }
    Span& span = spans_[count_++];
    span.param = param;
    span.grad = grad;
    for (std::size_t k = 0; k < run_.state_count; ++k)
      span.state[k] = advanced(run_.tensor->state[k], first * state_item_);
    span.size = size;
  }

  const Run& run_;
  const CoalescedRows& rows_;
  const std::size_t length_, item_, state_item_;
  std::size_t index_, offset_;  // the next touched row, and the next element in it
  std::size_t left_;
  std::size_t count_ = 0, used_ = 0;
  Span spans_[max_spans];
  alignas(64) std::byte scratch_[scratch_bytes];
};

}  // namespace

void update_rows(const Run& run, std::size_t begin, std::size_t end) {
  if (begin < end) RowSpans(run, begin, end).update();
}

}  // namespace pyoptim
